"""What a project should be asked before it is commissioned. Each function is one rule and has its own page.

A rule gets the whole site and yields what it finds; it knows nothing of other rules, of files or of output.
What is found twice in the same words is told once.
"""
