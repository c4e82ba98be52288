"""The agents: one per input topic. They receive tickets and leave everything else to the processor."""
