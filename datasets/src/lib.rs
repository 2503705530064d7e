pub mod gior;
