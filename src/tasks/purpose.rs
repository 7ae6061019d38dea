//! Splits the documents of a task by purpose, with a hash.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::questions::Question;

/// The purpose of a document.
///
/// The SHA-256 of a document's question decides: the first byte modulo 4 is 0 for the fitness, 1 for the
/// selection, 2 or 3 for the report. Examples are not hashed, so a document keeps its purpose whatever
/// precedes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// All documents.
    #[default]
    All,
    /// A quarter of the documents, which guides a search.
    Fitness,
    /// Another quarter, on which the best candidates are ranked again.
    Selection,
    /// The other half, which is reported.
    Report,
}

impl Purpose {
    /// Returns whether a question serves this purpose.
    pub fn has(self, question: &Question) -> bool {
        let side = digest(question)[0] % 4;
        match self {
            Self::All => true,
            Self::Fitness => side == 0,
            Self::Selection => side == 1,
            Self::Report => side >= 2,
        }
    }
}

fn digest(question: &Question) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in question.texts("") {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}
