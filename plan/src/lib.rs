//! The pure core of Assay: the `.travis.yml` language, the nouns of a build, and the engine that decides what happens
//! next. No IO, no clock, no threads: time and input are arguments.
//!
//! Reading order: [`model`](crate::Build) (the nouns), [`decide()`] (event and file to blueprint), [`plan_job`] (matrix
//! row to script), [`Engine`] (inputs to effects).

mod condition;
mod decide;
mod engine;
mod job;
mod kept;
mod message;
mod model;
mod needs;
mod script;
mod value;
mod yml;

pub use condition::{ConditionError, eval_condition};
pub use decide::{
    Blueprint, ConfigFile, Decision, JobBlueprint, MAX_CONFIG_BYTES, MAX_JOBS, decide,
};
pub use engine::{
    Counters, Delivery, Effect, Engine, Input, Observed, Record, Refused, Settings, Target, Update,
};
pub use job::{
    CommandLine, CommandLines, GitOptions, JobContext, JobPlan, OnFailure, PhaseLimits, Versions,
    When, plan_debug, plan_job,
};
pub use kept::Cache;
pub use message::{Level, Message, Place};
pub use model::*;
pub use needs::needs_root;
pub use value::{Map, Text, Value};
pub use yml::{
    ConfigRef, Expansion, ImportError, Imported, Imports, KeyDoc, KeyGroup, Linted, MATRIX_KEYS,
    MAX_IMPORTS, ReadError, Reading, Resolved, Row, expand, json_schema, key_reference, lint,
    locate, normalise, resolve,
};
