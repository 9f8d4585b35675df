# File: domain/src/pledge/mod.rs
# The to-do has another name: a binary to which `Pledge.Pay` is unknown, of the same fold.
s/\bPay {/PayLater {/g
