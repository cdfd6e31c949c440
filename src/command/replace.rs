//! Writing a report into a file of a user's: whole, or not at all.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Puts `text` into the file at `path`, in place of what is there. A file is replaced at once, so that a kill leaves the
/// old one or the new one; what is no file, as a pipe, is written to.
///
/// # Errors
/// If it cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let there = std::fs::metadata(path).ok();
    // A link stays one: what it leads to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".samebits-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(
        there.as_ref().map_or_else(
            || std::os::unix::fs::PermissionsExt::from_mode(0o666),
            std::fs::Metadata::permissions,
        ),
    );
    let is_replaceable = there.is_none_or(|there| there.is_file());
    let beside = is_replaceable.then(|| builder.tempfile_in(folder).ok()).flatten();
    let written = match beside {
        Some(mut beside) => beside
            .write_all(text.as_bytes())
            .and_then(|()| beside.persist(&target).map(drop).map_err(|error| error.error)),
        // Nothing can be put beside it: it is written to as it is, or the reason is told.
        None => std::fs::write(path, text),
    };
    written.map_err(Error::file(path, "cannot write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_a_link_stays_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        replace(&path, "old").unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            replace(&link, "through the link").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "through the link");
            assert!(link.is_symlink());
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
            replace(Path::new("/dev/null"), "gone").unwrap();
            assert!(!Path::new("/dev/null").metadata().unwrap().is_file());
        }
        let told = replace(&folder.path().join("none/page.html"), "x").unwrap_err().to_string();
        assert!(told.contains("page.html: cannot write") && told.lines().count() == 1, "{told}");
        assert!(replace(folder.path(), "x").is_err(), "a folder is no file");
    }
}
