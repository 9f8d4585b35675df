//! `load` sends Till work and measures it: `load traffic` plays a shop chain's day at the front door, `load bench`
//! takes the figures of `docs/benchmarks.md` on a stack of its own.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that meets an error fails"))]

mod bench;
mod failure;
mod rng;
mod shop;
mod traffic;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "load", about = "Sample traffic for Till, and its benchmarks", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send receipts as a shop chain would: most of them good, some repeated, invalid, conflicting or voided
    Traffic(traffic::Args),
    /// Measure Till on a stack of its own and write the figures into docs/benchmarks.md
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Traffic(args) => traffic::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("load: {failure}");
            ExitCode::FAILURE
        }
    }
}
