//! What the library and the command promise, in one binary: a folder for each behaviour, and in `support` what they share.

mod allocate {
    mod laws;
    mod rows;
}
mod cli {
    mod bad_input;
    mod commands;
    mod diff;
    mod dry_run;
    mod json;
    mod looking;
    mod main_job;
    mod pdf;
    mod refusals;
    mod scripts;
    mod shell;
    mod snapshot;
}
mod compare;
mod descent {
    mod command;
    mod flatness;
    mod gradients;
}
mod docs {
    mod architecture;
    mod english;
    mod examples;
    mod json;
    mod pictures;
    mod reference;
}
mod examples;
mod exchange;
mod gpu;
mod house {
    mod alone;
    mod arrows;
    mod circles;
    mod functions;
}
mod identity;
mod interpret {
    mod cache;
    mod dsa;
    mod errors;
    mod laws;
    mod neighbours;
    mod noise;
    mod published;
    mod reference;
}
mod lang {
    mod broken;
    mod commands;
    mod dsa;
    mod latex;
    mod laws;
    mod limits;
    mod mathml;
}
mod measure {
    mod perplexity;
}
mod model {
    mod candle;
    mod decoder;
    mod fingerprint;
    mod hub;
    mod odd_folders;
    mod packed;
    mod reading;
    mod real;
    mod special_tokens;
    mod transformers;
}
mod prune {
    mod blocks;
    mod masks;
    mod methods;
    mod overflow;
    mod rows;
    mod saving;
}
mod report {
    mod search;
    mod text;
}
mod search {
    mod ask;
    mod asked;
    mod budgets;
    mod devices;
    mod neuroal;
    mod run;
    mod simple;
    mod space;
    mod surrogate;
    mod teachers;
    mod variation;
}
mod session;
mod stats {
    mod calibration;
    mod damage;
    mod marginals;
    mod texts;
}
mod support;
mod tasks {
    mod command;
    mod compared;
    mod reference;
    mod scores;
    mod searched;
}
