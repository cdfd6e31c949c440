//! `splice`: a page that shows real rows, and the check that it still does.

use crate::place::{Place, SMALL};

const PAGE: &str = "# Title\n\n<!-- samebits:table -->\nold\n<!-- samebits:end -->\n\nThe end.\n";

fn with_rows() -> Place {
    let place = Place::new();
    place.done(&format!("run {SMALL} --filter (fixed_tree|two_pass).(edge-1-|rows-64x4096-f32) --out mine"));
    place.write("page.md", PAGE);
    place
}

#[test]
fn the_table_is_put_between_the_markers_and_nothing_else_changes() {
    let place = with_rows();
    let stale = place.run("splice page.md mine --check");
    assert_eq!((stale.code, stale.stdout.as_str()), (1, ""), "{stale:?}");
    assert!(
        stale.stderr.starts_with("samebits: page.md: ") && stale.stderr.lines().count() == 1,
        "{stale:?}"
    );
    assert!(stale.stderr.contains("run `samebits splice page.md mine`"), "{stale:?}");
    assert_eq!(place.read("page.md"), PAGE, "--check changes nothing");

    place.done("splice page.md mine");
    let page = place.read("page.md");
    let (head, tail) = PAGE.split_once("old\n").unwrap();
    assert!(page.starts_with(head) && page.ends_with(tail) && !page.contains("\nold\n"), "{page}");
    let table = place.done(&format!(
        "run {SMALL} --filter (fixed_tree|two_pass).(edge-1-|rows-64x4096-f32) --resume mine --format md"
    ));
    assert_eq!(page[head.len()..page.len() - tail.len()].trim(), table.stdout.trim());

    place.done("splice page.md mine --check");
    place.done("splice page.md mine");
    assert_eq!(place.read("page.md"), page, "once more changes nothing");
}

#[test]
fn missing_markers_files_and_rows_are_refused() {
    let place = with_rows();
    for missing in ["<!-- samebits:table -->\n", "<!-- samebits:end -->"] {
        let page = PAGE.replace(missing, "");
        place.write("page.md", &page);
        for check in ["", "--check"] {
            place.refuses(&format!("splice page.md mine {check}"), &["page.md", "<!-- samebits:table -->"]);
        }
        assert_eq!(place.read("page.md"), page);
    }
    place.refuses("splice none.md mine", &["none.md", "cannot read"]);
    place.refuses("splice page.md none", &["none/measurements.csv", "cannot read the rows"]);
}
