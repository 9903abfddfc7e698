"""How models behave, over all exchanges. Pure: time is a parameter, and nothing here waits."""
