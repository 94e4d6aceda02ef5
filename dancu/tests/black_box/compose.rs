//! `docker-compose.yml` says what the program understands: the arguments of each service are read by the program itself, and the
//! brokers are of the version that tests run against.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Arguments by service: of `command: ["a", "b"]`, or of a list below `command:`.
fn commands(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let services = text.lines().skip_while(|line| *line != "services:").skip(1);
    let services = services.take_while(|line| line.is_empty() || line.starts_with(' '));
    let (mut service, mut in_list) = (String::new(), false);
    for line in services.filter(|line| !line.trim().is_empty()) {
        let content = line.trim();
        match indent(line) {
            2 if !content.starts_with('#') => service = content.trim_end_matches(':').to_owned(),
            4 => {
                in_list = content == "command:";
                if let Some(list) = content.strip_prefix("command: ") {
                    found.insert(service.clone(), serde_json::from_str(list).unwrap());
                }
            }
            6 if in_list => {
                let argument = content.strip_prefix("- ").unwrap();
                found.entry(service.clone()).or_default().push(argument.to_owned());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_arguments_of_every_service_are_arguments_of_the_program() {
    let commands = commands(&file("docker-compose.yml"));
    let services: Vec<&str> = commands.keys().map(String::as_str).collect();
    assert_eq!(services, ["node-a", "node-b", "query", "topic"]);
    for (service, arguments) in commands {
        // Arguments are read in order: help is printed only if all before it are understood.
        let output =
            Command::new(env!("CARGO_BIN_EXE_dancu")).args(&arguments).arg("--help").output().unwrap();
        assert!(output.status.success(), "{service}: {}", String::from_utf8_lossy(&output.stderr));
        let with_a_slip = Command::new(env!("CARGO_BIN_EXE_dancu"))
            .args(&arguments)
            .args(["--no-such-argument", "--help"])
            .output()
            .unwrap();
        assert!(!with_a_slip.status.success(), "{service}: this check would not see a slip");
    }
}

#[test]
fn brokers_are_of_the_version_that_tests_run_against() {
    let pom = file("kafka/pom.xml");
    let version = pom.split("<kafka.version>").nth(1).unwrap().split('<').next().unwrap();
    assert!(file("docker-compose.yml").contains(&format!("image: apache/kafka:{version}\n")));
}
