//! The text form of Prometheus, version 0.0.4: one family of samples after the other.

use std::fmt::{Display, Write};

/// The media type of the text.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

/// What a family's samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only ever grows while the server runs.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bounds.
    Histogram,
}

/// A page that is being written. Names get the prefix `bivouac_`.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family, whose samples follow.
    pub(super) fn family(&mut self, kind: Kind, name: &str, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP bivouac_{name} {help}"));
        self.line(format_args!("# TYPE bivouac_{name} {kind}"));
    }

    /// A sample with some labels.
    pub(super) fn sample(
        &mut self,
        name: &str,
        labels: &[(&str, &dyn Display)],
        value: impl Display,
    ) {
        let mut text = String::new();
        for (label, value) in labels {
            let value = value.to_string();
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a text does not fail.
            let _is_written = write!(text, "{comma}{label}=\"{value}\"").is_ok();
        }
        if !text.is_empty() {
            text = format!("{{{text}}}");
        }
        self.line(format_args!("bivouac_{name}{text} {value}"));
    }

    /// A family of one sample without labels.
    pub(super) fn single(&mut self, kind: Kind, name: &str, help: &str, value: impl Display) {
        self.family(kind, name, help);
        self.sample(name, &[], value);
    }

    /// The page.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _is_written = writeln!(self.0, "{line}").is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_quoted() {
        let mut page = Page::default();
        page.family(Kind::Gauge, "games", "Games.");
        page.sample("games", &[("name", &"a\"b\\c\nd"), ("seat", &1)], 2);
        let wanted = "# HELP bivouac_games Games.\n# TYPE bivouac_games gauge\n\
                      bivouac_games{name=\"a\\\"b\\\\c\\nd\",seat=\"1\"} 2\n";
        assert_eq!(page.into_text(), wanted);
    }
}
