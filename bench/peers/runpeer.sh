#!/usr/bin/env bash
# exec one peer with nothing but its environment (called by measure.py): runpeer.sh NAME
. "$(dirname "$0")/contestants/$1/peer.sh"
case ${VARIANT:-} in *heap=*) JAVA_OPTS=-Xmx${VARIANT##*heap=} JAVA_OPTS=${JAVA_OPTS%%,*} ;; esac # JVM peers: a word "heap=512m"
run
