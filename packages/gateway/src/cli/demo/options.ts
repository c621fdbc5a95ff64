import type { Command } from '@commander-js/extra-typings';

export const DEMO_PROMPT = 'a paper boat on a rainy street';

/** What can be said of the video, also to `npm run demo`. */
export const withDemoOptions = (command: Command) =>
  command
    .argument('[prompt...]', `what the video shows (default: "${DEMO_PROMPT}")`)
    .option('--duration <seconds>')
    .option('--resolution <resolution>', 'such as 720p')
    .option('--ratio <ratio>', 'such as 16:9')
    .option('--seed <seed>', 'the same seed and prompt give the same video')
    .option('--audio', 'with sound');
