//! Rows of figures under named columns: one table that is written as CSV and as JSON, and text in
//! columns for a terminal.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// One field of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Figure {
    /// A word.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A measured number, and how many digits after its point are kept.
    Number(f64, usize),
}

/// A table with named columns.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Figure>>,
}

impl Sheet {
    /// An empty one. Names carry their unit last: `throughput_mb_per_s`.
    pub(crate) fn new(columns: &[&'static str]) -> Sheet {
        Sheet { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Appends a row, a figure a column.
    pub(crate) fn push(&mut self, row: Vec<Figure>) {
        assert_eq!(row.len(), self.columns.len(), "a figure a column");
        self.rows.push(row);
    }

    /// As CSV (RFC 4180, with LF): a line of names, then a line a row.
    pub(crate) fn csv(&self) -> String {
        let mut text = self.columns.join(",") + "\n";
        for row in &self.rows {
            let fields: Vec<String> = row.iter().map(|figure| escaped(&figure.text())).collect();
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        text
    }
}

/// As JSON: an array of objects, in the order of the columns.
impl Serialize for Sheet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            rows.serialize_element(&Row { columns: &self.columns, row })?;
        }
        rows.end()
    }
}

struct Row<'a> {
    columns: &'a [&'static str],
    row: &'a [Figure],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.row.len()))?;
        for (name, figure) in self.columns.iter().zip(self.row) {
            match figure {
                Figure::Text(text) => object.serialize_entry(name, text)?,
                Figure::Count(count) => object.serialize_entry(name, count)?,
                // As CSV has it: the same figure in both files.
                Figure::Number(..) => {
                    object.serialize_entry(name, &figure.text().parse::<f64>().ok())?;
                }
            }
        }
        object.end()
    }
}

impl Figure {
    /// As it is printed.
    pub(crate) fn text(&self) -> String {
        match self {
            Figure::Text(text) => text.clone(),
            Figure::Count(count) => count.to_string(),
            Figure::Number(value, digits) => format!("{value:.digits$}"),
        }
    }
}

fn escaped(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// Text in columns, two spaces between them. A column of numbers is flush right.
pub(crate) fn text_table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headers.get(column).map(|header| header.chars().count())).max().unwrap_or(0)
    };
    let is_numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| cell.starts_with(|first: char| first.is_ascii_digit()))
    };
    let layout: Vec<(usize, bool)> =
        (0..headers.len()).map(|column| (width(column), is_numeric(column))).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&layout)
            .map(
                |(cell, &(width, right))| {
                    if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut headers.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Sheet {
        let mut sheet = Sheet::new(&["name", "count", "rate_mb_per_s"]);
        sheet.push(vec![
            Figure::Text("a, \"b\"".to_owned()),
            Figure::Count(7),
            Figure::Number(1.0 / 3.0, 2),
        ]);
        sheet.push(vec![Figure::Text("c".to_owned()), Figure::Count(0), Figure::Number(2.0, 2)]);
        sheet
    }

    #[test]
    fn a_sheet_says_the_same_as_csv_and_as_json() {
        assert_eq!(
            example().csv(),
            "name,count,rate_mb_per_s\n\"a, \"\"b\"\"\",7,0.33\nc,0,2.00\n"
        );
        assert_eq!(
            serde_json::to_string(&example()).unwrap(),
            r#"[{"name":"a, \"b\"","count":7,"rate_mb_per_s":0.33},{"name":"c","count":0,"rate_mb_per_s":2.0}]"#
        );
    }

    #[test]
    fn no_number_is_null_in_json() {
        let mut sheet = Sheet::new(&["rate"]);
        sheet.push(vec![Figure::Number(f64::NAN, 1)]);
        assert_eq!(serde_json::to_string(&sheet).unwrap(), r#"[{"rate":null}]"#);
    }

    #[test]
    fn words_are_flush_left_and_numbers_right() {
        let rows = [["write", "7"], ["read", "1234"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(text_table(&["what", "MB/s"], &rows), "what   MB/s\nwrite     7\nread   1234\n");
        assert_eq!(text_table(&["what"], &[]), "what\n");
    }
}
