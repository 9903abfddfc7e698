"""What follows when a tripwire fires: the dial, callers and models are turned, and people are told."""
