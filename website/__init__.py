"""The documentation as a website, for GitHub Pages. Nothing here is deployed to AWS or packed for Lambda."""
