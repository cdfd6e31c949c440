//! Pages of made-up rows: sections as snapshots to be read by eye, and that the page stays whole whatever rows hold.

mod beside;

use std::collections::BTreeSet;

use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::{Input, beside::Beside, render, sections::SECTIONS};
use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::compare::model::Comparison;
use crate::report::tests::rows::{at, by, gaps, ladder, observe, on, pair, row, time, typical, under};
use crate::verdict::Verdict;

const DEVICES: [(&str, &str); 3] =
    [("cuda:0", "NVIDIA H200"), ("cuda:0", "NVIDIA L4"), ("cpu", "Intel(R) Xeon(R), 2 cores")];

/// Rows of the ladder on three devices: one way has the same bits everywhere, one follows the device.
fn fleet() -> Vec<Measurement> {
    let template = ladder();
    let of = |(place, (name, kind)): (usize, (&str, &str))| {
        let mut rows = at(template.clone(), name, kind);
        for row in &mut rows {
            row.environment = format!("e{place}");
            row.run_id = format!("2026-01-0{}T120000Z", place + 1);
            if row.verdict != Verdict::Skipped {
                row.input_digest = "inputs".to_owned();
            }
            if row.guarantee < Guarantee::GpuToGpu {
                row.digest.push_str(name);
            }
            if let Some(ns) = row.median_ns {
                time(row, ns * (place as u64 + 1));
            }
        }
        rows
    };
    DEVICES.into_iter().enumerate().flat_map(of).collect()
}

fn page(rows: &[Measurement]) -> String {
    render(&Input { rows, comparison: &Comparison::new(rows), beside: &Beside::default() })
}

/// The section called `id`, a tag per line.
fn section(rows: &[Measurement], id: &str) -> Option<String> {
    let comparison = Comparison::new(rows);
    let beside = Beside::default();
    let input = Input { rows, comparison: &comparison, beside: &beside };
    let section = SECTIONS.iter().filter_map(|make| make(&input)).find(|section| section.id == id)?;
    let text = section.render().into_string();
    let _ = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Some(text.replace("><", ">\n<"))
}

/// The page as a tree. It is XML but for its first line, and for tags without an end, which are these.
fn whole(page: &str) -> String {
    let mut xml = page.replacen("<!DOCTYPE html>", "", 1);
    for void in ["<meta "] {
        let mut parts = xml.split(void);
        let mut closed = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            closed += void;
            closed += &part.replacen('>', "/>", 1);
        }
        xml = closed;
    }
    xml
}

/// What must be so of every page.
fn check(page: &str) -> Result<(), TestCaseError> {
    prop_assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{page}");
    let xml = whole(page);
    let document = match Document::parse(&xml) {
        Ok(document) => document,
        Err(error) => return Err(TestCaseError::fail(format!("{error}: {xml}"))),
    };
    let elements = || document.descendants().filter(Node::is_element);
    let named = |name: &'static str| elements().filter(move |node| node.tag_name().name() == name);
    // Nothing is injected: scripts and styles are the page's own, no element runs or loads anything.
    prop_assert_eq!(named("script").count(), 1);
    prop_assert_eq!(named("style").count(), 1);
    let known: BTreeSet<&str> = "html head meta title style body a header h1 h2 h3 h4 p nav main section div ul li figure \
         figcaption svg desc g line text path circle rect details summary table caption thead tbody tr th td span b small \
         bdi strong code dl dt dd footer script"
        .split(' ')
        .collect();
    for element in elements() {
        prop_assert!(known.contains(element.tag_name().name()), "{}", element.tag_name().name());
        for attribute in element.attributes() {
            prop_assert!(
                !attribute.name().starts_with("on") && attribute.name() != "src",
                "{}",
                attribute.name()
            );
            prop_assert!(!attribute.value().contains("NaN") && !attribute.value().contains("inf "));
            if attribute.name() == "href" {
                let is_there = |node: Node| node.attribute("id") == attribute.value().strip_prefix('#');
                prop_assert!(elements().any(is_there), "{}", attribute.value());
            }
        }
        for id in element.attribute("aria-labelledby").into_iter().flat_map(str::split_whitespace) {
            prop_assert!(elements().any(|node| node.attribute("id") == Some(id)), "{}", id);
        }
    }
    let ids: Vec<&str> = elements().filter_map(|node| node.attribute("id")).collect();
    prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "ids are unique");
    // One title, and no level of headings is left out.
    prop_assert_eq!(named("h1").count(), 1);
    let mut level = 0;
    for heading in elements().filter_map(|node| node.tag_name().name().strip_prefix('h')?.parse::<u32>().ok())
    {
        prop_assert!(heading <= level + 1, "h{} below h{}", heading, level);
        level = heading;
    }
    for table in named("table") {
        let columns: BTreeSet<usize> = table
            .descendants()
            .filter(|node| node.has_tag_name("tr"))
            .map(|row| row.children().filter(Node::is_element).count())
            .collect();
        prop_assert!(columns.len() == 1, "{:?}", columns);
        prop_assert!(table.children().next().is_some_and(|first| first.has_tag_name("caption")));
    }
    for figure in named("svg") {
        check_picture(figure)?;
    }
    Ok(())
}

/// Every part of a picture lies in it, and no text lies over another.
fn check_picture(figure: Node) -> Result<(), TestCaseError> {
    prop_assert_eq!(figure.attribute("role"), Some("img"));
    let size: Vec<f64> =
        figure.attribute("viewBox").unwrap().split(' ').map(|part| part.parse().unwrap()).collect();
    let number = |node: &Node, name| node.attribute(name).map(|text| text.parse::<f64>().unwrap());
    let mut boxes: Vec<([f64; 4], String)> = Vec::new();
    for text in figure.descendants().filter(|node| node.has_tag_name("text")) {
        let words: String =
            text.children().filter_map(|child| child.is_text().then(|| child.text())?).collect();
        let width = super::text::width(&words, super::svg::SIZE);
        let (x, y) = (number(&text, "x").unwrap(), number(&text, "y").unwrap());
        let left = match text.attribute("text-anchor") {
            Some("middle") => x - width / 2.0,
            Some("end") => x - width,
            _ => x,
        };
        let own = [left, y - 9.0, left + width, y + 2.0];
        prop_assert!(
            own[0] > -0.2 && own[2] < size[2] + 0.2 && own[1] > -0.2 && own[3] < size[3] + 0.2,
            "{words} at {own:?}"
        );
        for (other, over) in &boxes {
            let apart = own[0] >= other[2] || other[0] >= own[2] || own[1] >= other[3] || other[1] >= own[3];
            prop_assert!(apart, "{words} over {over}");
        }
        boxes.push((own, words));
    }
    for node in figure.descendants() {
        for (name, most) in
            [("x1", size[2]), ("x2", size[2]), ("cx", size[2]), ("y1", size[3]), ("y2", size[3])]
        {
            let place = number(&node, name);
            prop_assert!(place.is_none_or(|place| (0.0..=most).contains(&place)), "{name} {place:?}");
        }
    }
    Ok(())
}

fn assert_whole(rows: &[Measurement]) -> String {
    let page = page(rows);
    check(&page).unwrap();
    page
}

#[test]
fn sections_of_a_fleet() {
    let rows = fleet();
    for id in ["finding", "ladder", "price", "agreement", "method"] {
        insta::assert_snapshot!(id, section(&rows, id).unwrap());
    }
    assert_whole(&rows);
}

#[test]
fn sections_stand_in_their_order_and_the_navigation_names_them() {
    let page = assert_whole(&fleet());
    let mut place = 0;
    for id in ["finding", "ladder", "price", "agreement", "method"] {
        let at = page.find(&format!("<section id=\"{id}\"")).unwrap();
        assert!(at > place, "{id}");
        place = at;
        assert_eq!(page.matches(&format!("href=\"#{id}\"")).count(), 1, "{id}");
    }
}

#[test]
fn a_broken_claim_and_a_failure_are_the_loudest() {
    let mut rows = fleet();
    observe(under(&mut rows, "fixed_tree", Perturbation::ReloadContext), 31, 2);
    let failed = under(&mut rows, "ticket", Perturbation::Load);
    (failed.verdict, failed.note) = (Verdict::Failed, "out of <memory>".to_owned());
    let page = assert_whole(&rows);
    assert!(page.contains("1 claim was seen broken, and measurements failed; "), "{page}");
    assert!(page.contains("<strong>BROKEN CLAIM: </strong>reduce/fixed_tree (gpu_to_gpu) differs"), "{page}");
    assert!(page.contains("<strong>FAILED: </strong>reduce/ticket on NVIDIA H200"), "{page}");
    assert!(!page.contains("every claim that was tested held"));
    let ladder = section(&rows, "ladder").unwrap();
    assert_eq!(ladder.matches("✗ BROKEN 31/31").count(), 1, "{ladder}");
    assert_eq!(ladder.matches("! FAILED").count(), 1, "{ladder}");
    assert!(ladder.contains("class=\"chip bad claimed\""), "{ladder}");
}

#[test]
fn an_older_row_that_broke_a_claim_is_not_forgotten() {
    let mut old = ladder();
    observe(under(&mut old, "fixed_tree", Perturbation::Repeat), 1, 1);
    let mut new = ladder();
    for row in &mut new {
        (row.run_id, row.timestamp) = ("later".to_owned(), "2027-01-01T00:00:00Z".to_owned());
    }
    let ladder = section(&[old, new].concat(), "ladder").unwrap();
    assert_eq!(ladder.matches("✗ BROKEN 1/31").count(), 1, "{ladder}");
}

#[test]
fn bits_that_differ_between_devices_against_a_claim_have_a_thick_edge() {
    let calm = section(&fleet(), "agreement").unwrap();
    assert!(!calm.contains("tile bad"), "{calm}");
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device == "cpu" && row.algorithm == "fixed_tree") {
        row.digest = "other".to_owned();
    }
    let loud = section(&rows, "agreement").unwrap();
    assert_eq!(loud.matches("tile bad").count(), 3, "{loud}");
}

#[test]
fn the_weakest_bound_is_shown() {
    let mut rows = ladder();
    let weak = under(&mut rows, "fixed_tree", Perturbation::Launch);
    (weak.comparisons, weak.p_upper_95) = (Some(7), Some(0.348_364));
    let ladder = section(&rows, "ladder").unwrap();
    assert_eq!(ladder.matches("= 0/7<").count(), 1, "{ladder}");
    assert_eq!(ladder.matches("p &lt; 35 %").count(), 1, "{ladder}");
}

#[test]
fn little_and_nothing_is_a_page_too() {
    let skipped: Vec<Measurement> = Perturbation::ALL
        .map(|under| {
            let mut row = row("atomic_element", Guarantee::NotGuaranteed, under);
            row.remark("contended");
            row
        })
        .into();
    let page = assert_whole(&skipped);
    assert!(page.contains("Nothing was measured"), "{page}");
    let others = assert_whole(&by(skipped, "torch", "tf32=0"));
    assert!(others.contains("1 way of others’ code: not compared from run to run"), "{others}");
    assert!(!others.contains("none was seen"), "{others}");
    assert!(page.contains("there is no price to show"), "{page}");
    let page = assert_whole(&[]);
    assert!(page.contains("Nothing was measured") && !page.contains("id=\"ladder\""), "{page}");
    let one = pair("ticket", Guarantee::RunToRun, [0, 0], 100);
    assert!(assert_whole(&one).contains("The one algorithm that was measured was not seen to change"));
    assert_whole(&typical());
    assert_whole(&gaps());
    assert_whole(&by(typical(), "torch", "tf32=0;deterministic=1"));
}

#[test]
fn a_page_of_the_cpu_alone_says_so() {
    assert!(section(&typical(), "method").unwrap().contains("measured on a CPU"));
    assert!(!section(&fleet(), "method").unwrap().contains("measured on a CPU"));
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let mut rows = fleet();
        for row in &mut rows {
            row.throughput = row.throughput.map(|_| number);
            row.p_upper_95 = row.p_upper_95.map(|_| number);
            row.v_c = Some(number);
        }
        assert_whole(&rows);
    }
    let mut rows = fleet();
    for (place, row) in rows.iter_mut().filter(|row| row.median_ns.is_some()).enumerate() {
        let extreme = [0, 1, u64::MAX][place % 3];
        (row.ci95_low_ns, row.median_ns, row.ci95_high_ns) = (Some(extreme), Some(extreme), Some(u64::MAX));
        (row.comparisons, row.differing) = (Some(1 << 53), Some(0));
    }
    assert_whole(&rows);
}

/// Rows of more devices and workloads than the page shows, with `name` in their names.
fn many(name: &str) -> Vec<Measurement> {
    let (template, mut rows) = (ladder(), Vec::new());
    for device in 0..20 {
        for workload in 0..13 {
            let mut some = at(template.clone(), "cuda:0", &format!("GPU {device} {name}"));
            for row in &mut some {
                row.environment = format!("e{device}");
                row.setting = name.to_owned();
            }
            rows.extend(on(some, &format!("workload {workload} {name}"), &format!("n={}", 4096 + workload)));
        }
    }
    let last = rows.len() - 100;
    observe(under(&mut rows[last..], "fixed_tree", Perturbation::ReloadContext), 31, 2);
    rows
}

/// However many rows there are, the page is one that a browser opens.
#[test]
fn much_is_left_out_and_the_page_says_so() {
    let page = assert_whole(&many(""));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for more in [
        "1 more operation on a device: not on the page",
        "more rows: not on the page",
        "1 more workload: not",
    ] {
        assert!(page.contains(more), "{more}");
    }
    assert!(page.contains("✗ BROKEN"), "what is broken is not what is left out");
    for long in ["x", "&"] {
        let page = assert_whole(&many(&long.repeat(500)));
        assert!(page.len() < 3_000_000, "{} bytes", page.len());
    }
}

fn hostile(name: &str) -> Vec<Measurement> {
    let mut rows = fleet();
    for row in &mut rows {
        for text in [
            &mut row.device_kind,
            &mut row.device,
            &mut row.environment,
            &mut row.workload,
            &mut row.shape,
            &mut row.run_id,
            &mut row.note,
            &mut row.digest,
            &mut row.kernel,
            &mut row.throughput_unit,
        ] {
            text.insert_str(0, name);
        }
        if row.algorithm == "ticket" {
            row.algorithm = name.to_owned();
            row.setting = format!("a={name}");
        } else if row.algorithm == "atomic_block" {
            row.engine = name.to_owned();
        }
    }
    let mut others = on(rows.clone(), name, name);
    others.iter_mut().for_each(|row| row.operation = name.to_owned());
    observe(under(&mut rows, "fixed_tree", Perturbation::ReloadContext), 31, 2);
    [rows, others].concat()
}

#[test]
fn hostile_names_inject_nothing() {
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</title></style></script><svg onload=alert(1)>",
        "<!--",
        "]]>",
        "&lt;&#x3c;&amp",
        "\u{202e}\u{200f}dlo\u{2067}\u{5d0}\u{5d1}",
        "\0\x1b[2J\u{85}\u{fffe}\u{ffff}\u{fdd0}",
        "{{ }} ${1} `a` \\u003c",
        "日本語の名前\u{1f600}\u{fdfd}",
    ];
    for name in names {
        let page = assert_whole(&hostile(name));
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{name}");
        assert!(!page.contains(['\u{202e}', '\u{200f}', '\u{2067}', '\0', '\x1b', '\u{ffff}']), "{name}");
    }
    for character in ["x", "<", "\u{5d0}", "日", "\u{301}", "&"] {
        assert_whole(&hostile(&character.repeat(500)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_name_leaves_the_page_whole(name in prop_oneof![".{0,40}", "[<>\"'&/=a-z \\-!\\[\\]]{1,60}", "\\PC{400,500}"]) {
        check(&page(&hostile(&name)))?;
    }
}

#[test]
fn script_and_style_are_such_that_nothing_closes_them() {
    for text in [include_str!("script.js"), include_str!("style.css")] {
        assert!(!text.contains(['<', '&']), "the page is XML too");
    }
}
