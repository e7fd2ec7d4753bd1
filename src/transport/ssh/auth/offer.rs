//! Offering one key.

use std::path::Path;
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{SendError, Signer};

use super::super::client::Client;
use super::super::keys::{self, Loaded, Offer};
use super::person::Passphrase;
use super::{Round, round_trip};
use crate::transport::TransportError;

impl Round<'_> {
    /// Offers one key. None if it could not be offered, which is noted.
    pub(super) async fn offer(
        &mut self,
        offer: Offer,
    ) -> Result<Option<AuthResult>, TransportError> {
        match offer {
            Offer::Agent(identity) => self.offer_of_agent(*identity).await,
            Offer::File {
                path,
                public,
                certificate,
            } => {
                let key = match keys::load(path.clone(), None).await {
                    Loaded::Key(key) => *key,
                    Loaded::Locked => {
                        match self
                            .unlock(&path, public.as_deref(), certificate.as_deref())
                            .await?
                        {
                            Unlocked::Key(key) => *key,
                            Unlocked::Refused(answer) => {
                                self.login.tried.push(path.display().to_string());
                                return Ok(Some(answer));
                            }
                            Unlocked::Locked => {
                                if !self.login.locked.contains(&path) {
                                    self.login.locked.push(path);
                                }
                                return Ok(None);
                            }
                        }
                    }
                    Loaded::Unusable(why) => {
                        self.login.notes.push(format!("{}: {why}", path.display()));
                        return Ok(None);
                    }
                };
                self.offer_key(&path, key, certificate.map(|it| *it))
                    .await
                    .map(Some)
            }
        }
    }

    async fn offer_key(
        &mut self,
        path: &Path,
        key: PrivateKey,
        certificate: Option<Certificate>,
    ) -> Result<AuthResult, TransportError> {
        let (asker, target, place) = (self.asker, self.target, self.place);
        let user = target.user.clone();
        let key = Arc::new(key);
        let handle = &mut *self.handle;
        if let Some(certificate) = certificate {
            self.login
                .tried
                .push(format!("the certificate of {}", path.display()));
            // russh signs for RSA certificates in files with SHA-1 only; as the agent would, we choose.
            let offered = async {
                let hash = rsa_hash(handle, &key.algorithm()).await?;
                let mut signer = FileSigner(PrivateKeyWithHashAlg::new(key, hash));
                handle
                    .authenticate_certificate_with(user, certificate, hash, &mut signer)
                    .await
                    .map_err(|SignError(error)| error)
            };
            return round_trip(asker, target, place, offered).await;
        }
        self.login.tried.push(path.display().to_string());
        let offered = async {
            let hash = rsa_hash(handle, &key.algorithm()).await?;
            let key = PrivateKeyWithHashAlg::new(key, hash);
            handle.authenticate_publickey(user, key).await
        };
        round_trip(asker, target, place, offered).await
    }

    async fn offer_of_agent(
        &mut self,
        identity: AgentIdentity,
    ) -> Result<Option<AuthResult>, TransportError> {
        let Some(agent) = self.agent.as_mut() else {
            return Ok(None);
        };
        let comment = identity.comment().to_owned();
        let user = &self.target.user;
        let handle = &mut *self.handle;
        let (tried, notes) = (&mut self.login.tried, &mut self.login.notes);
        let offered = async {
            let hash = rsa_hash(handle, &identity.public_key().algorithm()).await?;
            let answer = match identity {
                AgentIdentity::PublicKey { key, .. } => {
                    tried.push(format!("{comment} of the agent"));
                    handle
                        .authenticate_publickey_with(user, key, hash, agent)
                        .await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    tried.push(format!("the certificate of {comment} of the agent"));
                    handle
                        .authenticate_certificate_with(user, certificate, hash, agent)
                        .await
                }
            };
            Ok(answer
                .map_err(|error| {
                    // A locked agent, a key that wants a touch or a confirmation.
                    notes.push(format!("the agent did not sign with {comment}: {error}"));
                })
                .ok())
        };
        round_trip(self.asker, self.target, self.place, offered).await
    }

    /// Gets at a key that is protected by a passphrase. Where its public half is known, the server
    /// is asked first whether it takes the key, so that nobody types a passphrase in vain.
    async fn unlock(
        &mut self,
        path: &Path,
        public: Option<&PublicKey>,
        certificate: Option<&Certificate>,
    ) -> Result<Unlocked, TransportError> {
        if !self.asker.has_people() {
            return Ok(Unlocked::Locked);
        }
        let passphrase = Passphrase {
            target: self.target,
            asker: self.asker,
            moot: self.signs.ended(),
            deadline: self.deadline,
            path: path.to_owned(),
        };
        let key = match public {
            None => passphrase.ask().await,
            Some(public) => {
                let mut probe = Probe {
                    passphrase,
                    key: None,
                };
                let user = &self.target.user;
                let handle = &mut *self.handle;
                let probed = async {
                    let hash = rsa_hash(handle, &public.algorithm()).await?;
                    Ok(if let Some(certificate) = certificate {
                        let certificate = certificate.clone();
                        handle
                            .authenticate_certificate_with(user, certificate, hash, &mut probe)
                            .await
                    } else {
                        let public = public.clone();
                        handle
                            .authenticate_publickey_with(user, public, hash, &mut probe)
                            .await
                    })
                };
                match round_trip(self.asker, self.target, self.place, probed).await? {
                    Ok(answer) => return Ok(Unlocked::Refused(answer)),
                    Err(NotSigned) => probe.key.unwrap_or(Err(String::new())),
                }
            }
        };
        match key {
            Ok(key) => Ok(Unlocked::Key(key)),
            Err(why) => {
                if !why.is_empty() {
                    self.login.notes.push(format!("{}: {why}", path.display()));
                }
                Ok(Unlocked::Locked)
            }
        }
    }
}

/// What became of a protected key.
enum Unlocked {
    Key(Box<PrivateKey>),
    /// The server does not take it; nobody was asked.
    Refused(AuthResult),
    Locked,
}

/// Takes the place of a signer: it learns that the server would take the key, gets the key, and
/// leaves the signing to the offer that follows.
struct Probe<'a> {
    passphrase: Passphrase<'a>,
    key: Option<Result<Box<PrivateKey>, String>>,
}

/// The key is offered anew, with what signs.
struct NotSigned;

impl From<SendError> for NotSigned {
    fn from(_: SendError) -> Self {
        Self
    }
}

impl Signer for Probe<'_> {
    type Error = NotSigned;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        _: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        self.key = Some(self.passphrase.ask().await);
        Err(NotSigned)
    }
}

/// Signs with a key of a file.
struct FileSigner(PrivateKeyWithHashAlg);

/// Why it did not sign.
struct SignError(russh::Error);

impl From<SendError> for SignError {
    fn from(_: SendError) -> Self {
        Self(russh::Error::SendError)
    }
}

impl Signer for FileSigner {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let signature = self.0.try_sign(&data);
        let signature = signature.map_err(|error| SignError(error.into()))?;
        // What is sent is what was signed and then the signature, as a string of the protocol.
        let mut made = Vec::new();
        let wrong = |error: russh::keys::ssh_encoding::Error| SignError(error.into());
        signature
            .encode(&mut made)
            .map_err(|error| SignError(error.into()))?;
        made.encode(&mut data).map_err(wrong)?;
        Ok(data)
    }
}

/// The hash to sign with: without one, an RSA key would sign with SHA-1, which servers refuse.
async fn rsa_hash(
    handle: &Handle<Client>,
    algorithm: &Algorithm,
) -> Result<Option<HashAlg>, russh::Error> {
    if !matches!(algorithm, Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    match handle.best_supported_rsa_hash().await? {
        Some(best) => Ok(best),
        // Servers before OpenSSH 7.2 do not say; those that can do it accept this.
        None => Ok(Some(HashAlg::Sha256)),
    }
}
