//! The operator's commands, as an operator runs them: the built program against a running shop. A file a command.

mod keep;
mod seed;
