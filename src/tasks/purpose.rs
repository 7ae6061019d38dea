//! Which documents of a task are asked for what: sides that a hash sets apart.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::questions::Question;

/// What documents are asked for.
///
/// A document's question, hashed by SHA-256, decides: the first byte divided by 4 leaves 0 for the fitness, 1 for the selection, 2 or 3
/// for the report. Examples count for nothing, so the same document is on the same side whatever stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Every document is asked.
    #[default]
    All,
    /// A quarter of the documents, by which a search goes.
    Fitness,
    /// Another quarter, by which the best are ranked again.
    Selection,
    /// The other half, which is reported.
    Report,
}

impl Purpose {
    /// Returns whether a question is asked for this purpose.
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
