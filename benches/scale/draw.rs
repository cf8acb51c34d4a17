//! All sizes side by side: a table for the text, and the curve as an image.

use crate::measure::Size;
use std::{fmt::Write as _, fs, path::Path};

/// The image. Pixels.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 270.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// The requests that are drawn, and in which colour; the others are in the table.
const DRAWN: [(&str, &str); 11] = [
    ("complete, 10000 parts", "#7b3294"),
    ("list 300 directories", "#b15928"),
    ("complete, 1000 parts", "#c2a5cf"),
    ("list 1,000 of 100,000 uploads", "#a6761d"),
    ("list a directory of 1,000", "#e31a1c"),
    ("list 1,000 parts of 10,000", "#fb9a99"),
    ("put 4 KiB", "#1b7837"),
    ("delete", "#7fbf7b"),
    ("get", "#1f78b4"),
    ("head", "#56b4e9"),
    ("get of no object", "#636363"),
];

/// Prints the table as Markdown and writes the image.
pub(crate) fn draw(sizes: &[Size], svg: &Path) {
    let mut sizes = sizes.to_vec();
    sizes.sort_by_key(|size| size.objects);
    println!("{}", table(&sizes));
    fs::write(svg, image(&sizes)).expect("the image can be written");
}

fn table(sizes: &[Size]) -> String {
    let row = |name: &str, cell: &dyn Fn(&Size) -> String| {
        let cells: Vec<String> = sizes.iter().map(cell).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let mut text = row("objects", &|size| spelled(size.objects));
    text.push_str(&format!("|---|{}\n", "---|".repeat(sizes.len())));
    let micros = |size: &Size, name: &str| {
        let figure = size.figures.iter().find(|figure| figure.name == name);
        figure.map_or(String::new(), |figure| {
            format!("{} / {} / {}", brief(figure.p50_micros), brief(figure.p99_micros), brief(figure.cpu_micros))
        })
    };
    for figure in sizes.last().into_iter().flat_map(|size| &size.figures).filter(|figure| !figure.name.contains("warming")) {
        let name = if figure.at_once > 1 { format!("{}, {} at once", figure.name, figure.at_once) } else { figure.name.clone() };
        text.push_str(&row(&name, &|size| micros(size, &figure.name)));
    }
    text.push_str(&row("index on disk", &|size| format!("{} MiB", size.index_bytes >> 20)));
    text.push_str(&row("start after a clean stop", &|size| format!("{} ms", size.start_clean_ms)));
    text.push_str(&row("start after a kill under load", &|size| format!("{} ms", size.start_killed_ms)));
    text.push_str(&row("memory when started", &|size| format!("{} MiB", size.rss_started_bytes >> 20)));
    text.push_str(&row("memory at most", &|size| format!("{} MiB", size.rss_peak_bytes >> 20)));
    text.push_str(&row("files open at the end", &|size| size.open_files.to_string()));
    text
}

/// Microseconds, as milliseconds when they are many.
fn brief(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{micros} µs"),
        _ => format!("{:.1} ms", micros as f64 / 1_000.0),
    }
}

fn spelled(objects: u64) -> String {
    if objects.is_multiple_of(1_000_000) { format!("{} million", objects / 1_000_000) } else { objects.to_string() }
}

/// Both axes are logarithmic: what does not depend on the number of objects is a level line.
fn image(sizes: &[Size]) -> String {
    let (first, last) = (sizes.first().map_or(1, |size| size.objects) as f64, sizes.last().map_or(10, |size| size.objects) as f64);
    let (low, high) = (10.0_f64, 100_000.0_f64);
    let x = |objects: f64| LEFT + (objects / first).ln() / (last / first).ln().max(0.1) * (WIDTH - LEFT - RIGHT);
    let y = |micros: f64| HEIGHT - BOTTOM - (micros.clamp(low, high) / low).ln() / (high / low).ln() * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">Median latency by the number of objects in the index</text>\n"
    );
    let mut add = |line: std::fmt::Arguments<'_>| writeln!(svg, "{line}").expect("text can be written to");
    for power in 1..=5 {
        let micros = 10_f64.powi(power);
        let label = if micros < 1_000.0 { format!("{micros} µs") } else { format!("{} ms", micros / 1_000.0) };
        add(format_args!("<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/>", y(micros), WIDTH - RIGHT));
        add(format_args!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0, y(micros) + 4.0));
    }
    for size in sizes {
        let at = x(size.objects as f64);
        add(format_args!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", HEIGHT - BOTTOM + 20.0, spelled(size.objects)));
    }
    for (index, (name, colour)) in DRAWN.into_iter().enumerate() {
        let found = sizes.iter().filter_map(|size| Some((size.objects, size.figures.iter().find(|figure| figure.name == name)?)));
        let points: Vec<(f64, f64)> = found.map(|(objects, figure)| (x(objects as f64), y(figure.p50_micros as f64))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        add(format_args!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.join(" ")));
        for (x, y) in points {
            add(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"));
        }
        let at = TOP + 16.0 + 20.0 * index as f64;
        add(format_args!("<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"4\" fill=\"{colour}\"/>", WIDTH - RIGHT + 30.0, at - 6.0));
        add(format_args!("<text x=\"{}\" y=\"{at}\">{name}</text>", WIDTH - RIGHT + 50.0));
    }
    svg.push_str("</svg>\n");
    svg
}
