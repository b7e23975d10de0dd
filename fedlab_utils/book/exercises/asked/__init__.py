"""What the chapters ask before they show it: questions and numbers to guess, one module a chapter, in its order."""
