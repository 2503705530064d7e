pub mod gior;
pub mod script;
