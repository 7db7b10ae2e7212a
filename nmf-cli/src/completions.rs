//! Shell completions and the manual page, generated from the definition of the command line.

use crate::args::{Cli, Global};
use crate::failure::Failure;
use crate::text;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Options of `completions`.
#[derive(Args, Debug)]
#[command(after_help = "Example: nmf-cli completions bash > ~/.local/share/bash-completion/completions/nmf-cli")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Prints completions.
pub(crate) fn run(args: &CompletionsArgs, _: &Global) -> Result<(), Failure> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "nmf-cli", &mut out);
    text::print(&String::from_utf8_lossy(&out))
}

/// Prints the manual page with the options of every command.
pub(crate) fn man(_: &Global) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::work(format!("the manual page cannot be made: {e}"));
    let mut cli = Cli::command();
    cli.build();
    let mut out = Vec::new();
    let page = clap_mangen::Man::new(cli.clone());
    page.render(&mut out).map_err(failed)?;
    for command in cli.get_subcommands().filter(|c| c.get_name() != "help") {
        let heading = format!(".SH \"NMF-CLI {}\"\n", command.get_name().to_uppercase());
        out.extend_from_slice(heading.as_bytes());
        let page = clap_mangen::Man::new(command.clone());
        page.render_description_section(&mut out).map_err(failed)?;
        page.render_options_section(&mut out).map_err(failed)?;
        page.render_extra_section(&mut out).map_err(failed)?;
    }
    text::print(&String::from_utf8_lossy(&out))
}
