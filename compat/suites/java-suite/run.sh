#!/bin/bash
# Compiles the listed classes of a checkout of the Java client's tests against Debian's jar, then runs them. $1: this folder, $2: where to build.
set -euo pipefail
jars=/usr/share/java
path=$jars/amqp-client.jar:$jars/junit4.jar:$jars/hamcrest-all.jar:$jars/mockito-core.jar:$jars/slf4j-api.jar:$jars/slf4j-nop.jar
mapfile -t classes < <(tr -s ' ' '\n' <"$1/classes.txt")
sources=()
for class in "${classes[@]}"; do sources+=("src/test/java/com/rabbitmq/client/test/${class//.//}.java"); done
rm -rf "$2/classes"; mkdir -p "$2/classes"
javac -nowarn -Xlint:none -d "$2/classes" -cp "$path" -sourcepath src/test/java "$1/Run.java" "${sources[@]}" 2>"$2/javac" || { cat "$2/javac"; exit 1; }
cp -r src/test/resources/. "$2/classes/" 2>/dev/null || true
exec java -Dtest-broker.A.port=5672 -cp "$2/classes:$path" Run "${classes[@]}"
