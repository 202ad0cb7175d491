//! Figures: what a series of measurements comes to, and the table that shows it beside what is asked.

/// The head of a part's table; its rows are printed as they come.
pub(crate) fn head(name: &str, what: &str) {
    println!("\n## {name}: {what}\n");
    println!("| what | n | median | min | p99 | beside it | ratio | asked | met |");
    println!("|---|---:|---:|---:|---:|---|---:|---|---|");
}

/// Measurements of one thing, in order of size.
#[derive(Clone)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Sample {
        let mut values: Vec<f64> = values.into_iter().collect();
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_unstable_by(f64::total_cmp);
        Sample(values)
    }

    /// What two series of the same rounds come to, round by round.
    pub(crate) fn of_pairs(ours: &[f64], theirs: &[f64], compare: impl Fn(f64, f64) -> f64) -> Sample {
        assert_eq!(ours.len(), theirs.len(), "a round has both");
        Sample::new(ours.iter().zip(theirs).map(|(ours, theirs)| compare(*ours, *theirs)))
    }

    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 { self.0[middle] } else { (self.0[middle - 1] + self.0[middle]) / 2.0 }
    }

    pub(crate) fn min(&self) -> f64 {
        self.0[0]
    }

    pub(crate) fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    pub(crate) fn p99(&self) -> f64 {
        self.0[(self.0.len() * 99 / 100).min(self.0.len() - 1)]
    }
}

/// How a figure is written.
pub(crate) type Unit = fn(f64) -> String;

/// Milliseconds.
pub(crate) fn ms(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2} ms"),
        middle if middle < 100.0 => format!("{value:.1} ms"),
        _ => format!("{value:.0} ms"),
    }
}

/// So many a second.
pub(crate) fn per_second(value: f64) -> String {
    format!("{}/s", grouped(value))
}

/// A count.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn mib(value: f64) -> String {
    format!("{value:.1} MiB")
}

pub(crate) fn kib(value: f64) -> String {
    format!("{value:.1} KiB")
}

pub(crate) fn percent(value: f64) -> String {
    format!("{value:.3} %")
}

pub(crate) fn microseconds(value: f64) -> String {
    format!("{value:.2} µs")
}

/// A line of the table.
#[must_use]
pub(crate) struct Row {
    what: String,
    cells: [String; 6],
    asked: Option<(String, bool)>,
}

impl Row {
    /// A figure with its spread. For a rate the least is the worst, so `min` and `p99` then show what was seldom undercut.
    pub(crate) fn new(what: impl Into<String>, sample: &Sample, unit: Unit) -> Row {
        let count = sample.0.len();
        // Of less than a hundred, the hundredth part is the largest one.
        let rare = if count >= 100 { unit(sample.p99()) } else { format!("max {}", unit(sample.max())) };
        let cells =
            [grouped(count as f64), unit(sample.median()), unit(sample.min()), rare, String::new(), String::new()];
        Row { what: what.into(), cells, asked: None }
    }

    /// What was measured beside it, in the same rounds.
    pub(crate) fn beside(mut self, name: &str, sample: &Sample, unit: Unit) -> Row {
        self.cells[4] = format!("{name}: {}, min {}", unit(sample.median()), unit(sample.min()));
        self
    }

    /// Something else to know.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Row {
        self.cells[4] = note.into();
        self
    }

    /// The median of the ratios of the rounds.
    pub(crate) fn ratio(mut self, ratios: &Sample) -> Row {
        self.cells[5] = format!("{:.3}", ratios.median());
        self
    }

    /// What the contract asks, and whether it is so.
    pub(crate) fn asked(mut self, asked: impl Into<String>, met: bool) -> Row {
        self.asked = Some((asked.into(), met));
        self
    }

    pub(crate) fn print(self) {
        let (asked, met) = match self.asked {
            Some((asked, met)) => (asked, if met { "yes" } else { "**no**" }),
            None => (String::new(), ""),
        };
        println!("| {} | {} | {asked} | {met} |", self.what, self.cells.join(" | "));
    }
}
