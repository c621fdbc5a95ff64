// Runs in the page: plays a video to its end, seeks to its middle, and tells what could be seen there.
// biome-ignore lint/correctness/noUnusedVariables: called by the test, by name
async function playVideo(url) {
  const video = document.createElement('video');
  const event = (name) => new Promise((resolve) => video.addEventListener(name, resolve, { once: true }));
  video.muted = true;
  video.src = url;
  document.body.replaceChildren(video);
  const ended = event('ended');
  await video.play();
  await ended;
  const played = video.currentTime;

  const seeked = event('seeked');
  video.currentTime = video.duration / 2;
  await seeked;
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < pixels.length; i += 4 * 97) {
    colours.add((pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2]);
  }
  return {
    played,
    duration: video.duration,
    width: video.videoWidth,
    height: video.videoHeight,
    colours: colours.size,
  };
}
