//! The document, as the tests read it: the rules and the lines that stand in it.

use std::path::Path;

/// What every chapter builds on.
const HOUSE: &str = "The house";

/// A chapter of `docs/cookbook.md`.
pub(crate) struct Chapter {
    title: String,
    text: String,
}

/// Every chapter, in order; the first is the house.
pub(crate) fn chapters() -> Vec<Chapter> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cookbook.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let chapters = text.split("\n## ").skip(1).filter_map(|chapter| chapter.split_once('\n'));
    chapters.map(|(title, text)| Chapter { title: title.to_owned(), text: text.to_owned() }).collect()
}

impl Chapter {
    pub(crate) fn of(title: &str) -> Self {
        let found = chapters().into_iter().find(|c| c.title == title);
        found.unwrap_or_else(|| panic!("docs/cookbook.md has no chapter '{title}'"))
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Its blocks of a language.
    fn blocks(&self, language: &str) -> Vec<&str> {
        let begin = format!("```{language}\n");
        let rest = self.text.split(begin.as_str()).skip(1);
        rest.map(|block| block.split_once("```").unwrap_or_else(|| panic!("{}: a block does not end", self.title)).0).collect()
    }

    /// Its own files.
    pub(crate) fn toml(&self) -> String {
        self.blocks("toml").concat()
    }

    /// Its files, in the house.
    pub(crate) fn files(&self) -> String {
        house() + "\n" + &self.toml()
    }

    /// What people type.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.blocks("console").iter().flat_map(|block| block.lines()).filter(|line| !line.is_empty()).collect()
    }
}

/// The house's files.
pub(crate) fn house() -> String {
    Chapter::of(HOUSE).toml()
}
