# shellcheck shell=bash
# The drop-in contracts, as infra/contracts.txt lists them. Each line is a service, and each service a port of nginx.

# contract_services: prints, for each service, its contract, its name, the setting of its port, that port's default, and
# its prefix.
contract_services() {
    grep -v '^#' "$ROOT/infra/contracts.txt"
}

# contract_names: prints the name of every contract once, as a value of TILL_CONTRACTS.
contract_names() {
    contract_services | cut -d ' ' -f 1 | uniq | paste --serial --delimiters ,
}

# choose_contract_ports: sets each port that the caller has not chosen to its default.
choose_contract_ports() {
    local setting port
    while read -r _ _ setting port _; do
        declare -g "$setting=${!setting:-$port}"
    done < <(contract_services)
}

# require_contract_ports: fails unless each port is free, or held by this stack's nginx.
require_contract_ports() {
    local setting
    while read -r _ _ setting _; do
        require_port nginx "${!setting}" "$setting"
    done < <(contract_services)
}

# contract_listens: prints the addresses that nginx listens on, as lines NAME=VALUE.
contract_listens() {
    local setting
    while read -r _ _ setting _; do
        echo "${setting%_PORT}_LISTEN=127.0.0.1:${!setting}"
    done < <(contract_services)
}

# tell_contracts: prints a line for each contract, with the address of each of its services.
tell_contracts() {
    local contract service setting last='' line=''
    while read -r contract service setting _; do
        if [[ $contract == "$last" ]]; then
            line+=,
        else
            line+=${line:+$'\n'}"  contracts    $contract:"
        fi
        line+=" $service http://127.0.0.1:${!setting}"
        last=$contract
    done < <(contract_services)
    printf '%s    (docs/contracts.md)\n' "$line"
}

# tell_contract_ports: prints a line for each contract, with the settings of its ports and their defaults.
tell_contract_ports() {
    local contract setting port last='' line=''
    while read -r contract _ setting port _; do
        [[ -z $last || $contract == "$last" ]] || line+="    the $last contract, nginx"$'\n'
        line+="  $setting=$port"
        last=$contract
    done < <(contract_services)
    printf '%s    the %s contract, nginx\n' "$line" "$last"
}
