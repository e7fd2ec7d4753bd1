# The start from the coordinates of the PDB file: a cell and a temperature.
temperature        300
cellBasisVector1   18.6206  0        0
cellBasisVector2   0        18.6206  0
cellBasisVector3   0        0        18.6206
