"""The version of this software, as each end of a store link tells the other."""

VERSION = "0.1.0"
