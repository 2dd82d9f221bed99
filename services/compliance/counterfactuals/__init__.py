"""What would have changed a verdict: single changes of what is known, each judged again by the rules themselves."""
