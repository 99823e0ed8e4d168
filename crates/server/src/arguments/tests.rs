//! Command lines as they are typed.

use std::path::Path;

use clap::CommandFactory;

use super::*;

fn serve(line: &str) -> Result<ServeArguments, clap::error::ErrorKind> {
    let words = std::iter::once("harefoot").chain(line.split_whitespace());
    let arguments = Arguments::try_parse_from(words).map_err(|error| error.kind())?;
    let command = arguments.into_command();
    let Command::Serve(serve) = command else { panic!("{command:?}") };
    Ok(serve)
}

#[test]
fn the_definition_holds_together() {
    Arguments::command().debug_assert();
}

#[test]
fn serve_may_be_said_or_not() {
    for line in ["--data-dir d --config c --describe", "serve --data-dir d --config c --describe"] {
        let found = serve(line).unwrap();
        assert_eq!(found.data_dir.as_deref(), Some(Path::new("d")));
        assert_eq!(found.config.as_deref(), Some(Path::new("c")));
        assert!(found.describe);
    }
    assert!(serve("").unwrap().listen.is_empty());
}

#[test]
fn listeners_are_named_by_address() {
    let found = serve("--listen 127.0.0.1:1 --listen [::1]:2 --management-listen none").unwrap();
    let addresses: Vec<_> =
        found.listen.iter().flat_map(|a| &a.0).map(|listen| listen.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.1:1", "[::1]:2"]);
    assert_eq!(found.management_listen, Some(Addresses::default()));
    assert_eq!(found.metrics_listen, None);
}

#[test]
fn what_is_not_understood_is_refused() {
    use clap::error::ErrorKind;
    let kind = |line: &str| serve(line).unwrap_err();
    assert_eq!(kind("--listen 5672"), ErrorKind::ValueValidation);
    assert_eq!(kind("--listen none"), ErrorKind::ValueValidation);
    assert_eq!(kind("--metrics-listen host"), ErrorKind::ValueValidation);
    assert_eq!(kind("--prot 1"), ErrorKind::UnknownArgument);
    assert_eq!(kind("--data-dir d serve"), ErrorKind::ArgumentConflict);
    assert_eq!(kind("--version"), ErrorKind::DisplayVersion);
    assert_eq!(kind("--help"), ErrorKind::DisplayHelp);
}
