//! Settings from the environment: where secrets come from that stand in no file, and never on a command line, which every
//! user of the machine can read.

/// Reads a variable of this process; `None` when it is not set, or no text.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Names each of a section's keys that have no value, as `section.key: is missing`.
pub fn missing(section: &str, needed: &[(&str, &String)]) -> Vec<String> {
    let missing = needed.iter().filter(|(_, value)| value.is_empty());
    missing.map(|(key, _)| format!("{section}.{key}: is missing")).collect()
}

/// Sets each of the settings whose variable is there; says whether any is. `variable` reads one, as [`variable`] does.
pub fn set<const N: usize>(
    settings: [(&str, &mut String); N],
    variable: impl Fn(&str) -> Option<String>,
) -> bool {
    let mut any = false;
    for (name, setting) in settings {
        if let Some(value) = variable(name) {
            *setting = value;
            any = true;
        }
    }
    any
}
