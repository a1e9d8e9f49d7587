//! The document, as the tests read it: the rules and the lines that stand in it.

use std::path::Path;

/// What every chapter builds on.
pub(crate) const HOUSE: &str = "The house";

/// A chapter.
pub(crate) struct Chapter {
    title: String,
    text: String,
}

/// Every chapter of the cookbook, in order; the first is the house.
pub(crate) fn chapters() -> Vec<Chapter> {
    chapters_of("docs/cookbook.md")
}

fn chapters_of(document: &str) -> Vec<Chapter> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let chapters = text.split("\n## ").skip(1).filter_map(|chapter| chapter.split_once('\n'));
    chapters.map(|(title, text)| Chapter { title: title.to_owned(), text: text.to_owned() }).collect()
}

impl Chapter {
    /// One of the cookbook's.
    pub(crate) fn of(title: &str) -> Self {
        Self::in_document("docs/cookbook.md", title)
    }

    /// One of another document's.
    pub(crate) fn in_document(document: &str, title: &str) -> Self {
        let found = chapters_of(document).into_iter().find(|c| c.title == title);
        found.unwrap_or_else(|| panic!("{document} has no chapter '{title}'"))
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Its blocks of a language.
    pub(crate) fn blocks(&self, language: &str) -> Vec<&str> {
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
