//! What is rendered from the table of contracts, and committed, is as the table says. With `TILL_WRITE=1` in the environment it is
//! rendered anew.

use std::path::PathBuf;

use contracts::{ALL, Contract, Service};

const HOW: &str = "TILL_WRITE=1 cargo test --release -p contracts";

fn services() -> impl Iterator<Item = (&'static Contract, &'static Service)> {
    ALL.iter().flat_map(|contract| contract.services.iter().map(|service| (*contract, service)))
}

/// The setting of the address that nginx listens on for a service.
fn listen_setting(contract: &Contract, service: &Service) -> String {
    let port = contract.port_setting(service);
    format!("{}_LISTEN", port.strip_suffix("_PORT").expect("it is a port's setting"))
}

fn path_of(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", file].iter().collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path_of(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Compares a file with what it must be, or writes it.
fn assert_rendered(file: &str, expected: &str) {
    if std::env::var_os("TILL_WRITE").is_some() {
        std::fs::write(path_of(file), expected).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let there = std::fs::read_to_string(path_of(file)).unwrap_or_default();
    assert!(there == expected, "{file} is not as the table of contracts says: {HOW}");
}

/// The text with other lines between the comment that begins with `<what>: rendered` and the one that says `end of <what>`.
fn with_part(text: &str, what: &str, lines: &str) -> String {
    let comment = |line: &str| line.trim_start_matches([' ', '#', '<', '!', '-']).to_owned();
    let begins = |line: &str| comment(line).starts_with(&format!("{what}: rendered"));
    let begin = text.lines().position(begins).unwrap_or_else(|| panic!("no line says `{what}: rendered`"));
    let ends = |line: &str| comment(line).starts_with(&format!("end of {what}"));
    let end = text.lines().position(ends).unwrap_or_else(|| panic!("no line says `end of {what}`"));
    let before = text.lines().take(begin + 1);
    let all: Vec<_> = before.chain(lines.lines()).chain(text.lines().skip(end)).collect();
    all.join("\n") + "\n"
}

#[test]
fn the_list_that_scripts_and_tests_read_is_of_the_table() {
    let mut list = format!(
        "# The services of the drop-in contracts: contract, service, the setting of its port, its port, its prefix.\n\
         # Rendered from contracts/src/lib.rs: {HOW}\n"
    );
    for (contract, service) in services() {
        let setting = contract.port_setting(service);
        let Service { name, port, prefix, .. } = service;
        list += &format!("{} {name} {setting} {port} {prefix}\n", contract.name);
    }
    assert_rendered("infra/contracts.txt", &list);
}

/// One of nginx's sites: what all have in common, and the file of the contract's folder.
fn site(contract: &Contract, service: &Service) -> String {
    let Contract { name, number, services, .. } = contract;
    let own = read(&format!("contracts/src/{name}/{}.nginx.conf", service.name));
    let mut text = format!(
        "\n# Contract {number} `{name}`: {}.\nserver {{\n    listen ${{{}}};\n    server_name _;\n",
        service.name,
        listen_setting(contract, service)
    );
    text += "    access_log ${TILL_ACCESS_LOG} till_contracts buffer=64k flush=1s if=$till_unusual;\n";
    text += &format!("    proxy_redirect {}/ /;\n", service.prefix);
    if service.prefix == contract.prefix {
        for other in &services[1..] {
            let path = other.prefix.strip_prefix(contract.prefix).expect("it begins with the contract's");
            text += &format!("\n    # The {} has a port of its own.\n", other.name);
            text += &format!("    location {path} {{\n        return 404;\n    }}\n");
        }
    }
    text.push('\n');
    for line in own.lines() {
        let indent = if line.is_empty() { "" } else { "    " };
        text += &format!("{indent}{line}\n");
    }
    text + "}\n"
}

#[test]
fn nginx_has_a_site_for_each_service() {
    let mut sites = format!(
        "# The drop-in contracts, a port each and no prefix, for clients that know the systems they stand for. Beside till.conf, whose\n\
         # upstreams and maps it names. Rendered from contracts/src/lib.rs and the `*.nginx.conf` below contracts/src:\n\
         # {HOW}\n\n"
    );
    sites += "log_format till_contracts '$time_iso8601 $status \"$request\" id=$till_request_id port=$server_port \
        to=$upstream_addr upstream_s=$upstream_response_time s=$request_time';\n";
    for (contract, service) in services() {
        sites += &site(contract, service);
    }
    assert_rendered("infra/nginx/contracts.conf.template", &sites);
}

#[test]
fn compose_switches_every_contract_on_and_publishes_its_ports() {
    let names: Vec<_> = ALL.iter().map(|contract| contract.name).collect();
    let (mut listens, mut ports) = (String::new(), String::new());
    for (contract, service) in services() {
        let (port, setting) = (service.port, contract.port_setting(service));
        listens += &format!("      {}: \"{port}\"\n", listen_setting(contract, service));
        ports += &format!("      - \"127.0.0.1:${{{setting}:-{port}}}:{port}\"\n");
    }
    let compose = read("docker-compose.yml");
    let switched_on = format!("  TILL_CONTRACTS: ${{TILL_CONTRACTS-{}}}", names.join(","));
    let compose = with_part(&compose, "contracts", &switched_on);
    let compose = with_part(&compose, "addresses of contracts", &listens);
    let compose = with_part(&compose, "ports of contracts", &ports);
    assert_rendered("docker-compose.yml", &compose);
}

#[test]
fn the_document_lists_every_contract_and_has_a_section_for_it() {
    let mut list = "\n| contract | language, zone | service | port in nginx | prefix on the services | accounts' realm |\n\
        |---|---|---|---|---|---|\n"
        .to_owned();
    let document = read("docs/contracts.md");
    for contract in ALL {
        let heading = format!("## {} `{}`\n", contract.number, contract.name);
        assert!(document.contains(&heading), "docs/contracts.md has no section {heading}");
        let mut beginning =
            format!("| {} `{}` | {}, {} |", contract.number, contract.name, contract.language, contract.zone);
        for service in contract.services {
            let Service { name, port, prefix, realm, .. } = service;
            let setting = contract.port_setting(service);
            list += &format!("{beginning} {name} | {port}, `{setting}` | `{prefix}` | `{realm}` |\n");
            beginning = "| | |".to_owned();
        }
    }
    list.push('\n');
    assert_rendered("docs/contracts.md", &with_part(&document, "list of contracts", &list));
}

/// What the row of a contract begins with, and goes on with after the contract's name.
const ROW: [&str; 2] = ["| nginx, the [", " contract](docs/contracts.md): "];

fn readme_row(contract: &Contract) -> String {
    let names: Vec<_> = contract.services.iter().map(|service| service.name).collect();
    let ports: Vec<_> = contract.services.iter().map(|service| service.port.to_string()).collect();
    let setting = |service| format!("`{}`", contract.port_setting(service));
    let settings: Vec<_> = contract.services.iter().map(setting).collect();
    let [nginx, of] = ROW;
    let (names, ports, settings) = (names.join(" and "), ports.join(", "), settings.join(", "));
    format!("{nginx}{}{of}{names} | {ports} | {settings} |", contract.name)
}

#[test]
fn the_readme_lists_the_ports_of_every_contract() {
    let is_row = |line: &&str| line.starts_with(ROW[0]) && line.contains(ROW[1]);
    let readme = read("README.md");
    let first = readme.lines().position(|line| is_row(&line)).expect("the README has a row for a contract");
    let before = readme.lines().take(first).map(str::to_owned);
    let rows = ALL.iter().map(|contract| readme_row(contract));
    let after = readme.lines().skip(first).filter(|line| !is_row(line)).map(str::to_owned);
    let lines: Vec<_> = before.chain(rows).chain(after).collect();
    assert_rendered("README.md", &(lines.join("\n") + "\n"));
}
