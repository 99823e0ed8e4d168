//! Runs the checks of one Rust client and prints a verdict for each. What a check does with its client does not live here.

use std::{env, future::Future, pin::Pin, time::Duration};

use anyhow::{Context, Result, bail};

/// A check by name; `checks!` makes the list.
pub type Check = (&'static str, fn() -> Pin<Box<dyn Future<Output = Result<()>> + Send>>);

/// The list of checks, each an `async fn() -> Result<()>` that gives its name.
#[macro_export]
macro_rules! checks {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), || Box::pin($name()))),*] };
}

/// A variable that compat/run.py sets.
pub fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this through compat/run.py"))
}

/// A name that no earlier run used.
pub fn fresh(stem: &str) -> String {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{stem}.{}.{clock:x}", std::process::id())
}

/// 5 MB that no shift or repetition leaves the same.
pub fn large_body() -> Vec<u8> {
    (0..5u32 * 1024 * 1024 / 4).flat_map(u32::to_be_bytes).collect()
}

/// `left == right`, else both are shown.
pub fn same<T: PartialEq + std::fmt::Debug>(left: T, right: T) -> Result<()> {
    if left != right {
        bail!("{left:?} is not {right:?}");
    }
    Ok(())
}

/// The text holds the part, else it is shown.
pub fn holds(text: &str, part: &str) -> Result<()> {
    if !text.contains(part) {
        bail!("{part:?} is not in {text:?}");
    }
    Ok(())
}

/// The error that must come instead of a value.
pub fn refused<T, E: std::fmt::Debug>(outcome: std::result::Result<T, E>) -> Result<String> {
    match outcome {
        Ok(_) => bail!("not refused"),
        Err(error) => Ok(format!("{error:?}")),
    }
}

/// What must come within ten seconds.
pub async fn soon<T>(coming: impl Future<Output = Option<T>>, what: &str) -> Result<T> {
    let outcome = tokio::time::timeout(Duration::from_secs(10), coming).await;
    outcome.with_context(|| format!("not within 10 s: {what}"))?.with_context(|| format!("ended before {what}"))
}

/// Runs all of them, or those named on the command line; exit 1 if one failed.
pub fn main(checks: &[Check]) {
    let runtime = tokio::runtime::Runtime::new().expect("a tokio runtime");
    let wanted: Vec<String> = env::args().skip(1).collect();
    let mut failed = false;
    for (name, check) in checks {
        if !wanted.is_empty() && !wanted.iter().any(|one| one == name) {
            continue;
        }
        // A panic in a check is its failure, not the end of the run.
        let outcome = runtime.block_on(async {
            match tokio::time::timeout(Duration::from_secs(30), tokio::spawn(check())).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panic)) => Err(panic.into()),
                Err(_) => bail!("not within 30 s"),
            }
        });
        match outcome {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                failed = true;
                println!("FAIL {name}: {}", format!("{error:#}").replace('\n', " "));
            }
        }
    }
    runtime.shutdown_timeout(Duration::from_secs(1));
    std::process::exit(i32::from(failed));
}
