//! The page around its sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::html::sections::SECTIONS;
use crate::report::html::{Input, text};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Nothing may be loaded: not even by what a name would smuggle in.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// The whole document.
pub fn page(input: &Input) -> Markup {
    let sections: Vec<_> = SECTIONS.iter().filter_map(|make| make(input)).collect();
    let caption = &input.comparison.caption;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "samebits " (env!("CARGO_PKG_VERSION")) };
                title { "Same bits? " (text::short(caption)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the finding" }
                header {
                    h1 { "Same bits?" }
                    p.caption { (text::name(caption)) }
                    nav aria-label="Sections" {
                        @for section in &sections { a href={ "#" (section.id) } { (section.title) } }
                    }
                }
                main id="main" tabindex="-1" { @for section in &sections { (section.render()) } }
                footer {
                    p {
                        "Made by samebits " (env!("CARGO_PKG_VERSION")) " from the rows alone, with "
                        code { "samebits compare PATH… --format html" } "."
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}
