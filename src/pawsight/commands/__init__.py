"""One public function per verb, in a file of the same name: plain arguments in, a report out, nothing printed."""
