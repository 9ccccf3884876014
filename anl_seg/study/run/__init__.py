"""Running the trainings of a study: what a run is in its folder, attempts at it, executors, the loop."""
