"""Looking at mask noise: contact sheets, pages with a slider over the strength, and statistics."""
