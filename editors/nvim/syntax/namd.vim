" NAMD configuration: Tcl with NAMD's keywords.
if exists('b:current_syntax')
  finish
endif

syn case ignore
syn iskeyword @,48-57,_,-,+

syn match namdComment /\%(^\s*\|;\s*\)\zs#.*$/ contains=namdTodo,@Spell
syn keyword namdTodo TODO FIXME XXX contained
syn region namdString start=/"/ skip=/\\./ end=/"/ contains=namdVariable,namdCommand
syn match namdVariable /\$\%(\h\w*\|{[^}]*}\)\%(([^)]*)\)\?/
syn region namdCommand matchgroup=Delimiter start=/\[/ end=/\]/ contains=TOP
syn match namdNumber /\<[-+]\?\d\+\%(\.\d*\)\?\%([eE][-+]\?\d\+\)\?\>/
syn match namdNumber /\<[-+]\?\.\d\+\%([eE][-+]\?\d\+\)\?\>/
syn keyword namdBoolean on off yes no true false

syn keyword namdTcl set unset if else elseif for foreach while proc return expr puts source incr
syn keyword namdTcl catch eval global upvar switch break continue list lindex llength lappend
syn keyword namdTcl string format file open close gets print exit error array append concat join
syn keyword namdTcl split regexp regsub scan info namespace package rename uplevel variable

syn keyword namdRun run minimize output reinitvels rescalevels checkpoint revert measure
syn keyword namdRun callback cv colvarbias colvarvalue startup reloadCharges move coorfile

" generated: keywords
syn keyword namdKeyword 1-4scaling BerendsenPressure BerendsenPressureCompressibility
syn keyword namdKeyword BerendsenPressureFreq BerendsenPressureRelaxationTime
syn keyword namdKeyword BerendsenPressureTarget COLD COLDRate COLDTemp COMmotion CUDAForceTable
syn keyword namdKeyword CUDASOAintegrate DCDfile DCDfreq DCDunitcell DeviceMigration FFTWEstimate
syn keyword namdKeyword FFTWPatient FFTWUseWisdom FFTWWisdomFile FMA FMAFFT FMAFFTBlock FMALevels
syn keyword namdKeyword FMAMp FMM FMMLevels FMMPadding FullDirect GBIS GBISBeta GBISDelta GBISGamma
syn keyword namdKeyword GBISSer GPUAtomMigration GPUForceTable GPUresident GoCoordinates GoForcesOn
syn keyword namdKeyword GoMethod GoParameters GromacsPair IMDfreq IMDignore IMDignoreForces IMDon
syn keyword namdKeyword IMDport IMDwait LJcorrection LJcorrectionAlt Langevin LangevinPiston
syn keyword namdKeyword LangevinPistonBarrier LangevinPistonDecay LangevinPistonPeriod
syn keyword namdKeyword LangevinPistonTarget LangevinPistonTemp LoweAndersen MSM MSMApprox
syn keyword namdKeyword MSMBlockSizeX MSMBlockSizeY MSMBlockSizeZ MSMGridSpacing MSMLevels
syn keyword namdKeyword MSMPadding MSMQuality MSMSplit MSMxmax MSMxmin MSMymax MSMymin MSMzmax
syn keyword namdKeyword MSMzmin MTSAlgorithm MonteCarloAcceptanceRate MonteCarloAdjustmentFreq
syn keyword namdKeyword MonteCarloMaxVolume MonteCarloPressure MonteCarloPressureFreq
syn keyword namdKeyword MonteCarloPressureTarget MonteCarloTemp MsmSerial Multigrator
syn keyword namdKeyword MultigratorNoseHooverChainLength MultigratorPressureFreq
syn keyword namdKeyword MultigratorPressureRelaxationTime MultigratorPressureTarget
syn keyword namdKeyword MultigratorTemperatureFreq MultigratorTemperatureRelaxationTime
syn keyword namdKeyword MultigratorTemperatureTarget PME PMEBarrier PMEGridSizeX PMEGridSizeY
syn keyword namdKeyword PMEGridSizeZ PMEGridSpacing PMEInterpOrder PMEMinPoints PMEMinSlices
syn keyword namdKeyword PMEOffload PMEPencils PMEPencilsX PMEPencilsXLayout PMEPencilsY
syn keyword namdKeyword PMEPencilsYLayout PMEPencilsZ PMEProcessors PMESendOrder PMETolerance
syn keyword namdKeyword QMBaseDir QMBondColumn QMBondDist QMBondGuess QMBondScheme QMBondValueType
syn keyword namdKeyword QMCSMD QMCSMDFile QMCharge QMChargeFromPSF QMChargeMode QMColumn
syn keyword namdKeyword QMConfigLine QMCustomPCFile QMCustomPCSelection QMElecEmbed QMExecPath
syn keyword namdKeyword QMForces QMLSSFreq QMLSSMode QMLSSRef QMLSSResname QMLinkElement
syn keyword namdKeyword QMLiveSolventSel QMMult QMNoPntChrg QMOutStride QMPCStride QMParamPDB
syn keyword namdKeyword QMPointChargeScheme QMPositionOutStride QMPrepProc QMReplaceAll QMSecProc
syn keyword namdKeyword QMSimsPerNode QMSoftware QMSwitching QMSwitchingType QMVdWParams
syn keyword namdKeyword QMenergyStride SASA SMD SMDDir SMDFile SMDOutputFreq SMDVel SMDk SMDk2
syn keyword namdKeyword SOAintegrate StrainRate SurfaceTensionTarget TMD TMDDiffRMSD TMDFile
syn keyword namdKeyword TMDFile2 TMDFinalRMSD TMDFirstStep TMDInitialRMSD TMDLastStep TMDOutputFreq
syn keyword namdKeyword TMDk TimerBinWidth UpdateAtomMap XSTfile XSTfreq accelMD accelMDDebugOn
syn keyword namdKeyword accelMDE accelMDFirstStep accelMDG accelMDGEquiPrepSteps accelMDGEquiSteps
syn keyword namdKeyword accelMDGRestart accelMDGRestartFile accelMDGSigma0D accelMDGSigma0P
syn keyword namdKeyword accelMDGStatWindow accelMDGcMDPrepSteps accelMDGcMDSteps accelMDGiE
syn keyword namdKeyword accelMDGresetVaftercmd accelMDLastStep accelMDOutFreq accelMDTE
syn keyword namdKeyword accelMDTalpha accelMDalpha accelMDdihe accelMDdual adaptTempAutoDt
syn keyword namdKeyword adaptTempBins adaptTempCgamma adaptTempDebug adaptTempDt adaptTempFirstStep
syn keyword namdKeyword adaptTempFreq adaptTempInFile adaptTempLangevin adaptTempLastStep
syn keyword namdKeyword adaptTempMD adaptTempOutFreq adaptTempRandom adaptTempRescaling
syn keyword namdKeyword adaptTempRestartFile adaptTempRestartFreq adaptTempTmax adaptTempTmin alch
syn keyword namdKeyword alchBondDecouple alchBondLambdaEnd alchCol alchDecouple alchElecLambdaStart
syn keyword namdKeyword alchEnsembleAvg alchEquilSteps alchFile alchLambda alchLambda2
syn keyword namdKeyword alchLambdaFreq alchLambdaIDWS alchOutFile alchOutFreq alchRepLambdaEnd
syn keyword namdKeyword alchSwitchType alchType alchVdwLambdaEnd alchVdwShiftCoeff alchWCA
syn keyword namdKeyword alphaCutoff alphaMax amber ambercoor auxFile beginEventPatchID
syn keyword namdKeyword beginEventStep benchTimestep benchmarkTime binaryoutput binaryrestart
syn keyword namdKeyword bincoordinates binrefcoords binvelocities bondedCUDA bondedGPU
syn keyword namdKeyword cellBasisVector1 cellBasisVector2 cellBasisVector3 cellOrigin colvars
syn keyword namdKeyword colvarsConfig colvarsInput commOnly computeEnergies computeMapFile
syn keyword namdKeyword consAtomListFile consForceFile consForceScaling consTorqueAxisFile
syn keyword namdKeyword consTorqueCol consTorqueFile consTorqueGlobVal consTorqueOn
syn keyword namdKeyword consTorquePivotFile consTorqueValCol consTorqueValFile consexp conskcol
syn keyword namdKeyword conskfile consref constantforce constraintScaling constraints coordinates
syn keyword namdKeyword cosAngles cutoff cwd cylindricalBC cylindricalBCAxis cylindricalBCCenter
syn keyword namdKeyword cylindricalBCexp1 cylindricalBCexp2 cylindricalBCk1 cylindricalBCk2
syn keyword namdKeyword cylindricalBCl1 cylindricalBCl2 cylindricalBCr1 cylindricalBCr2 dielectric
syn keyword namdKeyword dihedral disableTopology drude drudeBondConst drudeBondLen drudeDamping
syn keyword namdKeyword drudeHardWall drudeNbtholeCut drudeTemp eField eFieldFreq eFieldNormalized
syn keyword namdKeyword eFieldOn eFieldPhase emptyPatchLoad endEventPatchID endEventStep exclude
syn keyword namdKeyword excludeFromPressure excludeFromPressureCol excludeFromPressureFile
syn keyword namdKeyword extCoordFilename extForceFilename extForces extForcesCommand extendedSystem
syn keyword namdKeyword extraBonds extraBondsCosAngles extraBondsFile firstLdbStep firsttimestep
syn keyword namdKeyword fixCellDimX fixCellDimY fixCellDimZ fixCellDims fixedAtomListFile
syn keyword namdKeyword fixedAtomsCol fixedAtomsFile fixedAtomsForceOutput fixedAtomsForces
syn keyword namdKeyword fixedatoms fmaFrequency fmaTheta forceDCDfile forceDCDfreq freeEnergy
syn keyword namdKeyword freeEnergyConfig fsMax fullElectFrequency genCompressedPsf globalTest
syn keyword namdKeyword gridforce gridforcechargecol gridforcechecksize gridforcecol gridforcecont1
syn keyword namdKeyword gridforcecont2 gridforcecont3 gridforcefile gridforcelite gridforcepotfile
syn keyword namdKeyword gridforcescale gridforcevoff gridforcevolts grocoorfile gromacs grotopfile
syn keyword namdKeyword group1File group1List group1RefPos group2File group2List groupResCenter
syn keyword namdKeyword groupResExp groupResK groupResUseMagnitude groupResX groupResY groupResZ
syn keyword namdKeyword groupRestraints hbAAexp hbAntecedents hbCutoffAngle hbCutoffDist hbDistAexp
syn keyword namdKeyword hbDistRexp hbHAexp hbOffAngle hbOffDist hbOnAngle hbOnDist hbonds
syn keyword namdKeyword hgroupCutoff hybridGroupSize ignoreMass intrinsicRadiusOffset
syn keyword namdKeyword ionConcentration langevinBAOAB langevinCol langevinDamping langevinFile
syn keyword namdKeyword langevinHydrogen langevinTemp lastLdbStep ldBalancer ldbBackgroundScaling
syn keyword namdKeyword ldbHomeBackgroundScaling ldbPMEBackgroundScaling ldbPeriod
syn keyword namdKeyword ldbRelativeGrainsize ldbStrategy ldbUnloadOne ldbUnloadOutputPEs
syn keyword namdKeyword ldbUnloadPME ldbUnloadZero les lesCol lesFactor lesFile lesReduceMass
syn keyword namdKeyword lesReduceTemp limitDist lincs loadComputeMap lonePairs longSplitting
syn keyword namdKeyword loweAndersenCutoff loweAndersenRate loweAndersenTemp mallocTest margin
syn keyword namdKeyword martiniDielAllow martiniSwitching maxExclusionFlags maxPairPart maxPatches
syn keyword namdKeyword maxSelfPart maximumMove mergeCrossterms mgridforce mgridforcechargecol
syn keyword namdKeyword mgridforcechecksize mgridforcecol mgridforcecont1 mgridforcecont2
syn keyword namdKeyword mgridforcecont3 mgridforcefile mgridforcelite mgridforcepotfile
syn keyword namdKeyword mgridforcescale mgridforcevoff mgridforcevolts mic_deviceThreshold
syn keyword namdKeyword mic_hostSplit mic_numParts_pair_p1 mic_numParts_pair_p2
syn keyword namdKeyword mic_numParts_self_p1 mic_singleKernel mic_unloadMICPEs minAtomsPerPatch
syn keyword namdKeyword minBabyStep minLineGoal minTinyStep minVerbose minimization miscForces
syn keyword namdKeyword miscForcesScript molly mollyIterations mollyTolerance movDragCol
syn keyword namdKeyword movDragFile movDragGlobVel movDragOn movDragVelFile movingAverageWindowSize
syn keyword namdKeyword movingConsVel movingConstraints mshake noPatchesOnOne noPatchesOnOutputPEs
syn keyword namdKeyword noPatchesOnZero nonbondedFreq nonbondedScaling nsPerDay numAtomsPair
syn keyword namdKeyword numAtomsPair2 numAtomsSelf numAtomsSelf2 numPapiMeasureSteps numTraceSteps
syn keyword namdKeyword numinputprocs numoutputprocs numoutputwriters numsteps obsolete
syn keyword namdKeyword oldParmReader oneFourScaling openatom openatomCol openatomDriverFile
syn keyword namdKeyword openatomPdbFile openatomPhysicsFile outputCudaTiming outputEnergies
syn keyword namdKeyword outputEnergiesPrecision outputMaps outputMomenta outputPairlists
syn keyword namdKeyword outputPatchDetails outputPerformance outputPressure outputTiming outputname
syn keyword namdKeyword pairInteraction pairInteractionCol pairInteractionFile
syn keyword namdKeyword pairInteractionGroup1 pairInteractionGroup2 pairInteractionSelf
syn keyword namdKeyword pairlistGrow pairlistMinProcs pairlistShrink pairlistTrigger pairlistdist
syn keyword namdKeyword pairlistsPerCycle papiMeasure papiMeasureStartStep paraTypeCharmm
syn keyword namdKeyword paraTypeXplor parameters parmfile pressureProfileAtomTypes
syn keyword namdKeyword pressureProfileAtomTypesCol pressureProfileAtomTypesFile
syn keyword namdKeyword pressureProfileEwald pressureProfileEwaldX pressureProfileEwaldY
syn keyword namdKeyword pressureProfileEwaldZ pressureprofile pressureprofilefreq
syn keyword namdKeyword pressureprofileslabs printBadContacts printExclusions proxyRecvSpanningTree
syn keyword namdKeyword proxySendSpanningTree proxyTreeBranchFactor readexclusions reassignFreq
syn keyword namdKeyword reassignHold reassignIncr reassignTemp replicaUniformPatchGrids rescaleFreq
syn keyword namdKeyword rescaleTemp restartfreq restartname restartsave restartsavedcd rigidBonds
syn keyword namdKeyword rigidDieOnError rigidIterations rigidTolerance rotConsAxis rotConsPivot
syn keyword namdKeyword rotConsVel rotConstraints rotDragAxisFile rotDragCol rotDragFile
syn keyword namdKeyword rotDragGlobVel rotDragOn rotDragPivotFile rotDragVelCol rotDragVelFile scnb
syn keyword namdKeyword sdBondScaling seed selectConstrX selectConstrY selectConstrZ
syn keyword namdKeyword selectConstraints simulateInitialMapping simulatedNodeSize simulatedPEs
syn keyword namdKeyword singleTopology soluteScaling soluteScalingAll soluteScalingCol
syn keyword namdKeyword soluteScalingFactor soluteScalingFactorCharge soluteScalingFactorVdw
syn keyword namdKeyword soluteScalingFile solventDielectric sphericalBC sphericalBCCenter
syn keyword namdKeyword sphericalBCexp1 sphericalBCexp2 sphericalBCk1 sphericalBCk2 sphericalBCr1
syn keyword namdKeyword sphericalBCr2 sphericalConstrCenter sphericalConstraints splitPatch
syn keyword namdKeyword staticAtomAssignment statsOn stepspercycle stirAxis stirFilename stirK
syn keyword namdKeyword stirOn stirPivot stirStartingTheta stirVel stirredAtomsCol stochRescale
syn keyword namdKeyword stochRescaleFreq stochRescaleHeat stochRescalePeriod stochRescaleTemp
syn keyword namdKeyword storeComputeMap structure surfaceTension switchdist switching symmetryFile
syn keyword namdKeyword symmetryFirstFullStep symmetryFirstStep symmetryLastFullStep
syn keyword namdKeyword symmetryLastStep symmetryMatrixFile symmetryRestraints symmetryScaleForces
syn keyword namdKeyword symmetryk symmetrykfile tCoupleCol tCoupleFile tCoupleTemp tableInterpType
syn keyword namdKeyword tabulatedEnergies tabulatedEnergiesFile tclBC tclBCArgs tclBCScript
syn keyword namdKeyword tclForces tclForcesScript tcouple temperature test timestep traceStartStep
syn keyword namdKeyword twoAwayX twoAwayY twoAwayZ unperturbedBondFile useAVXTiles useCUDAdisable
syn keyword namdKeyword useCkLoop useCompressedPsf useConstantArea useConstantRatio useDPME
syn keyword namdKeyword useFlexibleCell useGroupPressure usePMECUDA usePMEGPU usePluginIO useSettle
syn keyword namdKeyword vdwForceSwitching vdwGeometricSigma velDCDfile velDCDfreq velocities
syn keyword namdKeyword velocityQuenching verboseTopology waterModel wrapAll wrapNearest wrapWater
syn keyword namdKeyword zeroMomentum zeroMomentumAlt
" end: keywords

hi def link namdComment Comment
hi def link namdTodo Todo
hi def link namdString String
hi def link namdVariable Identifier
hi def link namdNumber Number
hi def link namdBoolean Boolean
hi def link namdTcl Statement
hi def link namdRun Function
hi def link namdKeyword Keyword

let b:current_syntax = 'namd'
