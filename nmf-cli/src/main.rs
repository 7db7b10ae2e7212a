//! `nmf-cli`: non-negative matrix factorization from the command line.
//!
//! Results go to stdout, progress and warnings to stderr. Exit codes: 0 done; 1 the work failed (a cross-check
//! disagreed, a device was lost, an output could not be written); 2 bad usage or bad input; 130 interrupted.

mod agreement;
mod args;
mod bench;
mod bench_plot;
mod checkpoint;
mod compare;
mod completions;
mod convert;
mod couple;
mod cross_check;
mod devices;
mod estimate;
mod factorize;
mod failure;
mod fit_json;
mod fit_options;
mod genes;
mod gpu;
mod images;
mod input;
mod inspect;
mod known;
mod mixture;
mod model;
mod patterns;
mod pictures;
mod probabilities;
mod progress;
mod rank;
mod recommend;
mod report;
mod rescue;
mod sample;
mod separate;
mod session;
mod solve;
mod squared_error;
mod text;
mod topics;
mod transform;
mod unmix;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let code = if e.use_stderr() { 2 } else { 0 };
            // a closed pipe is the reader's choice, not an error
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message().is_empty() {
                eprintln!("{}: {}", failure.label(), failure.message());
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    progress::catch_interrupts()?;
    let global = &cli.global;
    global.check()?;
    let Some(command) = &cli.command else {
        return match global.backend {
            Some(_) => sample::run(global),
            None if *global == args::Global::default() => text::print(&Cli::command().render_help().to_string()),
            None => Err(Failure::usage("a command is needed; `nmf-cli --help` lists them")),
        };
    };
    match command {
        Command::Factorize(a) => factorize::run(a, global),
        Command::Transform(a) => transform::run(a, global),
        Command::Rank(a) => rank::run(a, global),
        Command::Topics(a) => topics::run(a, global),
        Command::Probabilities(a) => probabilities::run(a, global),
        Command::Genes(a) => genes::run(a, global),
        Command::Separate(a) => separate::run(a, global),
        Command::Unmix(a) => unmix::run(a, global),
        Command::Images(a) => images::run(a, global),
        Command::Mixture(a) => mixture::run(a, global),
        Command::Recommend(a) => recommend::run(a, global),
        Command::Couple(a) => couple::run(a, global),
        Command::Compare(a) => compare::run(a, global),
        Command::Bench(a) => bench::run(a, global),
        Command::Devices(args) => devices::run(args, global),
        Command::Convert(a) => convert::run(a, global),
        Command::Inspect(a) => inspect::run(a, global),
        Command::Completions(a) => completions::run(a, global),
        Command::Man => completions::man(global),
    }
}
