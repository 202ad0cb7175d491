//! Curves as pictures: lines over two logarithmic axes, as SVG.

use plotters::prelude::*;
use std::error::Error;
use std::fs;
use std::path::Path;

/// A picture of some curves.
pub(crate) struct Plot {
    /// What the picture is called where it is shown, and its file's name.
    pub(crate) title: &'static str,
    pub(crate) file: &'static str,
    /// What stands at the axes, with its unit.
    pub(crate) across: &'static str,
    pub(crate) up: &'static str,
    /// Where the names of the curves are in nobody's way.
    pub(crate) names: Names,
    pub(crate) curves: Vec<Curve>,
}

pub(crate) use plotters::prelude::SeriesLabelPosition as Names;

/// One line of it: its name and its points.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Of Okabe and Ito, whom everybody can tell apart.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
];
const SIZE: (u32, u32) = (720, 400);

impl Plot {
    /// Writes the picture into a folder, and prints the line that shows it in a page beside that folder.
    pub(crate) fn show(&self, folder: &Path) {
        let path = folder.join(self.file).with_extension("svg");
        let mut text = String::new();
        self.draw(&mut text).unwrap_or_else(|error| panic!("{}: {error}", self.title));
        // One that is opened by itself has a background too, and says what it is to who cannot see it.
        let label = format!("role=\"img\" aria-label=\"{}\" style=\"background:white\" xmlns=", self.title);
        fs::write(&path, text.replacen("xmlns=", &label, 1) + "\n").unwrap();
        let place = Path::new(folder.file_name().unwrap()).join(path.file_name().unwrap());
        println!("\n![{}]({})", self.title, place.display());
    }

    fn draw(&self, text: &mut String) -> Result<(), Box<dyn Error + '_>> {
        let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let range = |of: fn(&(f64, f64)) -> f64| {
            let low = points().map(of).fold(f64::INFINITY, f64::min);
            let high = points().map(of).fold(0.0, f64::max);
            (low / 1.5..high * 1.5).log_scale()
        };
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
        let number = |value: &f64| short(*value);
        chart
            .configure_mesh()
            .x_desc(self.across)
            .y_desc(self.up)
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .max_light_lines(0)
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(curve.points.iter().copied(), style).point_size(3))?
                .label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .position(self.names.clone())
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// A number at an axis.
fn short(value: f64) -> String {
    match value {
        large if large >= 1e6 => format!("{} M", large / 1e6),
        middle if middle >= 1e3 => format!("{} k", middle / 1e3),
        small => format!("{small}"),
    }
}
