"""Questions whose answers are known, put to models on a schedule: what drifts shows before a customer says so."""
