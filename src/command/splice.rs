//! `samebits splice`: puts the table of a results folder into a Markdown file, so that the README
//! shows real rows and CI can tell when it does not.

use std::path::Path;

use crate::cli::SpliceFlags;
use crate::command::{End, say};
use crate::error::{Error, Result};
use crate::measurement;
use crate::report::markdown;

const BEGIN: &str = "<!-- samebits:table -->\n";
const END: &str = "<!-- samebits:end -->";

/// Writes, or only checks, the table between the markers.
pub fn splice(flags: &SpliceFlags) -> Result<End> {
    let rows = measurement::read_whole(&flags.results.join("measurements.csv"))?;
    let before = std::fs::read_to_string(&flags.file).map_err(Error::file(&flags.file, "cannot read"))?;
    let after = spliced(&before, &markdown::render(&rows, false), &flags.file)?;
    if before == after {
        return Ok(End::Done);
    }
    if flags.check {
        say(&format!(
            "samebits: {}: its table is not that of {}; run `samebits splice {} {}`\n",
            flags.file.display(),
            flags.results.display(),
            flags.file.display(),
            flags.results.display()
        ));
        return Ok(End::NotMet);
    }
    std::fs::write(&flags.file, after).map_err(Error::file(&flags.file, "cannot write"))?;
    Ok(End::Done)
}

fn spliced(text: &str, table: &str, file: &Path) -> Result<String> {
    let missing = || Error::input(format!("{}: has no lines {} and {END}", file.display(), BEGIN.trim_end()));
    let (head, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, tail) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{head}{BEGIN}\n{}\n\n{END}{tail}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let file = Path::new("README.md");
        let text = format!("a\n{BEGIN}old\n{END}\nb\n");
        let once = spliced(&text, "new", file).unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n\n{END}\nb\n"));
        assert_eq!(spliced(&once, "new", file).unwrap(), once);
        assert!(spliced("nothing", "new", file).unwrap_err().to_string().contains("samebits:table"));
    }
}
