//! The rule files: nothing panics, a problem points into a file that was given, and what is accepted is accepted again.

use std::collections::BTreeMap;

use ajar_policy::Files;

/// Files, with a NUL between them.
pub fn files(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files: Files = text.split('\0').enumerate().map(|(n, text)| (format!("{n}.toml"), text.to_owned())).collect();
    match ajar_policy::parse(&files) {
        Ok(rules) => {
            assert_eq!(ajar_policy::parse(&files).as_ref(), Ok(&rules));
            let bound = rules.bind(&BTreeMap::new());
            assert_eq!(bound.hash(), rules.hash());
            assert_eq!(bound.resources().count(), rules.resources().count());
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                let shown = problem.to_string();
                assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
                let Some(file) = files.get(&problem.file) else { panic!("there is no file {:?}", problem.file) };
                assert!(problem.line <= file.split('\n').count(), "{problem:?} is beyond its file");
            }
        }
    }
}
