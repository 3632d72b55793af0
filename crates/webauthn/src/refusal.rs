//! Why is an answer of a passkey not believed?

/// Says nothing that whoever answered does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What the browser says it did cannot be read.
    #[error("the client data cannot be read")]
    ClientData,
    /// A registration where an assertion was expected, or the other way round.
    #[error("the answer is of another kind")]
    Kind,
    /// It answers something else.
    #[error("the answer is to another challenge")]
    Challenge,
    /// A page of somebody else asked.
    #[error("the answer was given to another origin")]
    Origin,
    /// A page of ours, in a frame of somebody else.
    #[error("the answer was given in a page of another origin")]
    Framed,
    /// What the authenticator says cannot be read.
    #[error("the authenticator data cannot be read")]
    AuthenticatorData,
    /// It is for another site.
    #[error("the answer is for another site")]
    Site,
    /// Nobody touched it.
    #[error("nobody was there")]
    NobodyThere,
    /// No key, or one that we cannot verify with.
    #[error("the key is of a kind that is not taken")]
    Key,
    /// An identifier of a key is 1 to 1023 bytes (§7.1).
    #[error("the identifier of the key is too long")]
    Identifier,
    /// A passkey that is synced and one that is not are not the same one (§7.2).
    #[error("the key says something else about its backup than before")]
    Backup,
    /// It was made with another key.
    #[error("the signature is wrong")]
    Signature,
}
