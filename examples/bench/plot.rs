//! The curve of memory against size as an SVG that reads on light and on dark ground.

use std::fmt::Write as _;
use std::path::Path;

/// The bound on memory above idle, in MiB.
pub(crate) const BOUND: f64 = 64.0;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// The axes' place.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 56.0;

const STYLE: &str = "text{font:13px sans-serif;fill:#24292f}.title{font-size:15px;font-weight:600}\
.axis{stroke:#57606a}.grid{stroke:#d0d7de}.bound{stroke:#cf222e;stroke-dasharray:6 4}.bound-text{fill:#cf222e}\
.curve{fill:none;stroke:#0969da;stroke-width:2}.point{fill:#0969da}.failed{fill:#cf222e}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis{stroke:#8b949e}.grid{stroke:#30363d}\
.bound{stroke:#ff7b72}.bound-text{fill:#ff7b72}.curve{stroke:#58a6ff}.point{fill:#58a6ff}.failed{fill:#ff7b72}}";

/// One artifact.
#[derive(Debug)]
pub(crate) struct Point {
    /// MiB.
    pub(crate) size: u64,
    /// MiB above idle, where it was seen.
    pub(crate) above: Option<f64>,
    pub(crate) published: bool,
}

/// Writes the plot.
pub(crate) fn draw(to: &Path, points: &[Point]) {
    let folder = to.parent().expect("the plot has a folder");
    std::fs::create_dir_all(folder).expect("the plot's folder can be made");
    std::fs::write(to, svg(points)).expect("the plot can be written");
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn svg(points: &[Point]) -> String {
    let most = points.iter().filter_map(|point| point.above).fold(BOUND, f64::max);
    let step = [16.0, 32.0, 64.0, 128.0, 256.0, 512.0].into_iter().find(|step| most / step <= 6.0).unwrap_or(1024.0);
    let top = (most / step + 0.25).ceil() * step;
    let largest = points.iter().map(|point| point.size).max().unwrap_or(2).max(2);
    // Sizes double from one place to the next.
    let x = |size: u64| LEFT + (size as f64).log2() / (largest as f64).log2() * (WIDTH - LEFT - RIGHT);
    let y = |memory: f64| HEIGHT - BOTTOM - memory / top * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Peak memory above idle against the size of the artifact\">\n<style>{STYLE}</style>\n"
    );
    let mut draw = |what: std::fmt::Arguments<'_>| {
        svg.write_fmt(what).expect("a String takes everything");
        svg.push('\n');
    };
    let text = |x: f64, y: f64, class: &str, anchor: &str, what: &str| {
        format!("<text x=\"{x:.0}\" y=\"{y:.0}\" class=\"{class}\" text-anchor=\"{anchor}\">{what}</text>")
    };
    let line = |class: &str, from: (f64, f64), to: (f64, f64)| {
        format!(
            "<line class=\"{class}\" x1=\"{:.0}\" y1=\"{:.0}\" x2=\"{:.0}\" y2=\"{:.0}\"/>",
            from.0, from.1, to.0, to.1
        )
    };
    draw(format_args!("{}", text(LEFT, 24.0, "title", "start", "Peak memory above idle, MiB")));
    let mut memory = 0.0;
    while memory <= top {
        let class = if memory == 0.0 { "axis" } else { "grid" };
        draw(format_args!("{}", line(class, (LEFT, y(memory)), (WIDTH - RIGHT, y(memory)))));
        draw(format_args!("{}", text(LEFT - 8.0, y(memory) + 4.0, "", "end", &format!("{memory:.0}"))));
        memory += step;
    }
    draw(format_args!("{}", line("axis", (LEFT, TOP), (LEFT, HEIGHT - BOTTOM))));
    draw(format_args!("{}", line("bound", (LEFT, y(BOUND)), (WIDTH - RIGHT, y(BOUND)))));
    let bound = format!("bound: {BOUND:.0} MiB");
    draw(format_args!("{}", text(WIDTH - RIGHT, y(BOUND) - 6.0, "bound-text", "end", &bound)));
    for point in points {
        let size = if point.size < 1024 { format!("{} MiB", point.size) } else { format!("{} GiB", point.size / 1024) };
        draw(format_args!("{}", line("axis", (x(point.size), y(0.0)), (x(point.size), y(0.0) + 5.0))));
        draw(format_args!("{}", text(x(point.size), HEIGHT - BOTTOM + 20.0, "", "middle", &size)));
    }
    let legend = "size of the npm artifact, files that do not compress";
    draw(format_args!("{}", text(f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 12.0, "", "middle", legend)));
    let seen = || points.iter().filter_map(|point| Some((point, point.above?)));
    let curve: Vec<String> = seen().map(|(point, above)| format!("{:.0},{:.0}", x(point.size), y(above))).collect();
    draw(format_args!("<polyline class=\"curve\" points=\"{}\"/>", curve.join(" ")));
    for (point, above) in seen() {
        let class = if point.published { "point" } else { "failed" };
        let (x, y) = (x(point.size), y(above));
        draw(format_args!("<circle class=\"{class}\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"4\"/>"));
        draw(format_args!("{}", text(x, y - 10.0, "", "middle", &format!("{above:.0}"))));
    }
    for point in points.iter().filter(|point| !point.published) {
        draw(format_args!("{}", text(x(point.size), y(0.0) - 8.0, "failed", "middle", "failed")));
    }
    svg.push_str("</svg>\n");
    svg
}
