//! The configuration database of the notes as a workflow: fetch what every
//! product has (a loopback server), compare it with what an embedded database
//! knows, write the changes in columns (Arrow), and only then take them over.
//!
//! ```sh
//! cargo run -p errgroup --features flow --example cmdb -- [WHERE.svg]
//! ```
//!
//! What ran when is drawn into that file, or into `cmdb.svg` among the temporary ones.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_ipc::{reader::FileReader, writer::FileWriter};
use errgroup::flow::{Flow, OnFailure, Report, Retry};
use redb::{Database, TableDefinition};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn Error + Send + Sync>;
/// Instance and its configuration.
type Instances = BTreeMap<String, String>;

const KNOWN: TableDefinition<&str, &str> = TableDefinition::new("instances");

#[derive(Debug, PartialEq)]
struct Change {
    instance: String,
    kind: &'static str,
    config: String,
}

/// Serves products: the first call for the disks fails, as calls do.
async fn serve() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let hiccup = AtomicBool::new(true);
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let mut product = String::new();
            let read = caller.read_to_string(&mut product).await;
            let answer = match product.as_str() {
                "disk" if hiccup.swap(false, Relaxed) => "",
                "disk" => "disk-1 100G\ndisk-2 500G\n",
                "vm" => "vm-1 4c8g\nvm-3 8c16g\n",
                _ => "lb-1 public\n",
            };
            if read.is_ok() {
                // The caller sees a short answer, and tries again.
                let _ = caller.write_all(answer.as_bytes()).await;
            }
        }
    });
    Ok(address)
}

async fn fetch(address: SocketAddr, product: &str) -> Result<Instances, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(product.as_bytes()).await?;
    stream.shutdown().await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    if text.is_empty() {
        return Err(format!("{product}: no answer").into());
    }
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .map(|(id, config)| (id.into(), config.into()))
        .collect())
}

fn known(database: &Database) -> Result<Instances, Failure> {
    let read = database.begin_read()?;
    let table = read.open_table(KNOWN)?;
    let mut known = Instances::new();
    for row in table.range::<&str>(..)? {
        let (id, config) = row?;
        known.insert(id.value().into(), config.value().into());
    }
    Ok(known)
}

fn compare(known: &Instances, seen: &Instances) -> Vec<Change> {
    let change = |instance: &String, kind, config: &String| Change {
        instance: instance.clone(),
        kind,
        config: config.clone(),
    };
    let mut changes = Vec::new();
    for (id, config) in seen {
        match known.get(id) {
            None => changes.push(change(id, "added", config)),
            Some(old) if old != config => changes.push(change(id, "changed", config)),
            Some(_) => {}
        }
    }
    let gone = known.iter().filter(|(id, _)| !seen.contains_key(*id));
    changes.extend(gone.map(|(id, config)| change(id, "removed", config)));
    changes
}

/// A column a field: what is read of many changes is mostly one of them.
fn write_columns(changes: &[Change], file: &Path) -> Result<usize, Failure> {
    let column = |field: fn(&Change) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(changes.iter().map(field)))
    };
    let batch = RecordBatch::try_from_iter([
        ("instance", column(|change| &change.instance)),
        ("kind", column(|change| change.kind)),
        ("config", column(|change| &change.config)),
    ])?;
    let mut writer = FileWriter::try_new(std::fs::File::create(file)?, &batch.schema())?;
    writer.write(&batch)?;
    writer.finish()?;
    Ok(batch.num_rows())
}

fn take_over(database: &Database, changes: &[Change]) -> Result<(), Failure> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(KNOWN)?;
        for change in changes {
            if change.kind == "removed" {
                table.remove(&*change.instance)?;
            } else {
                table.insert(&*change.instance, &*change.config)?;
            }
        }
    }
    Ok(write.commit()?)
}

/// A file system or a database blocks: not on the runtime's own threads.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(job).await?
}

async fn synchronise(
    address: SocketAddr,
    database: &Arc<Database>,
    file: &Path,
) -> Report<Failure> {
    let mut flow = Flow::<Failure>::new()
        .limit(4)
        .on_failure(OnFailure::SkipDescendants);
    let retry = Retry::times(3).pause(Duration::from_millis(10), Duration::from_millis(50));
    let products = ["vm", "disk", "lb"].map(|product| {
        flow.step(format!("fetch {product}"), (), move |()| {
            fetch(address, product)
        })
        .timeout(Duration::from_secs(5))
        .retry(retry)
        .add()
    });
    let db = Arc::clone(database);
    let known = flow.node("read what is known", (), |()| blocking(move || known(&db)));
    let changes = flow.node(
        "compare",
        (known, products),
        |(known, products)| async move {
            let seen = products
                .iter()
                .flat_map(|product| (**product).clone())
                .collect();
            Ok(compare(&known, &seen))
        },
    );
    let file = file.to_owned();
    let written = flow
        .step("write columns", changes, move |changes| {
            let file = file.clone();
            blocking(move || write_columns(&changes, &file))
        })
        .when(|changes| !changes.is_empty())
        .add();
    let db = Arc::clone(database);
    flow.node("take over", (changes, written), |(changes, _)| {
        blocking(move || take_over(&db, &changes))
    });
    flow.run().await
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let database = Arc::new(Database::create(folder.path().join("cmdb.redb"))?);
    let before = [("vm-1", "2c4g"), ("vm-2", "4c8g"), ("disk-1", "100G")];
    let before = before.map(|(instance, config)| Change {
        instance: instance.into(),
        kind: "added",
        config: config.into(),
    });
    take_over(&database, &before)?;
    let address = serve().await?;
    let file = folder.path().join("changes.arrow");

    let report = synchronise(address, &database, &file).await;
    for node in report.nodes() {
        let took = node.took().unwrap_or_default();
        println!(
            "{:<18} {:<9} {} attempts, {took:.1?}",
            node.name, node.state, node.attempts
        );
    }
    let path: Vec<_> = report
        .critical_path()
        .iter()
        .map(|node| node.name)
        .collect();
    println!(
        "critical path: {}\n\n{}",
        path.join(" -> "),
        report.mermaid()
    );
    let chart = std::env::args_os().nth(1).map(PathBuf::from);
    let chart = chart.unwrap_or_else(|| std::env::temp_dir().join("cmdb.svg"));
    std::fs::write(&chart, report.gantt())?;
    println!("what ran when: {}", chart.display());
    assert!(report.is_ok());
    for batch in FileReader::try_new(std::fs::File::open(&file)?, None)? {
        assert_eq!(batch?.num_rows(), 5, "two changed or gone, three new");
    }

    // Once more: nothing has changed, so nothing is written.
    let report = synchronise(address, &database, &file).await;
    assert!(report.is_ok());
    assert!(
        report
            .nodes()
            .any(|node| node.state == errgroup::flow::State::Skipped)
    );
    println!("second run: nothing to write");
    Ok(())
}
