/** English and Chinese words, separated by commas, by what they ask for. `direction.ts` reads them. */
export type Lexicon<K extends string> = Readonly<Record<K, string>>;

/** Where it plays. */
export const SCENE_WORDS = {
  city:
    'city, street, downtown, tokyo, new york, skyline, skyscraper, urban, cyberpunk, neon, ' +
    'alley, building, traffic, taxi, rooftop, london, shanghai, paris, metropolis, 城市, 街, 都市, ' +
    '霓虹, 大楼, 高楼, 上海, 东京',
  sea:
    'sea, ocean, beach, wave, harbor, harbour, lake, coast, shore, surf, bay, island, water, ' +
    'river, 海, 大海, 海洋, 海滩, 沙滩, 湖, 江, 港',
  mountains:
    'mountain, forest, valley, peak, alps, hill, cliff, canyon, woods, jungle, pine, waterfall, ' +
    'fjord, ridge, landscape, 山, 森林, 树林, 峡谷, 瀑布',
  desert: 'desert, dune, sand, sahara, camel, cactus, oasis, mars, wasteland, 沙漠, 沙丘, 戈壁, 骆驼, 火星',
  space:
    'space, galaxy, nebula, cosmos, cosmic, universe, asteroid, astronaut, spaceship, starship, ' +
    'orbiting, interstellar, milky way, comet, saturn, jupiter, 太空, 宇宙, 银河, 星系, 星云, 宇航员',
  snow:
    'snow, winter, snowy, arctic, glacier, blizzard, ice, christmas, aurora, antarctica, 雪, 冬, ' +
    '冰, 极光',
  meadow:
    'meadow, field, grass, flower, garden, sunflower, spring, farm, park, prairie, tulip, ' +
    'lavender, wheat, countryside, butterfly, butterflies, cherry blossom, 草地, 草原, 花, 田野, 花园, 春, ' +
    '麦田, 樱',
  fire:
    'fire, flame, campfire, bonfire, lava, volcano, ember, dragon, burning, inferno, fireplace, ' +
    'candle, 火焰, 篝火, 烈火, 大火, 火光, 火山, 蜡烛, 龙',
  underwater:
    'underwater, coral, reef, deep sea, jellyfish, seabed, diver, aquarium, submarine, 水下, 海底, ' +
    '珊瑚, 水母, 潜',
} as const satisfies Lexicon<string>;

/** When it plays. */
export const LIGHTS = {
  dawn: 'dawn, sunrise, morning, daybreak, 日出, 清晨, 黎明, 早晨, 朝',
  day: 'day, noon, midday, afternoon, daylight, sunny, bright, blue sky, 白天, 中午, 阳光, 晴',
  dusk: 'dusk, sunset, evening, twilight, golden hour, sundown, 日落, 黄昏, 傍晚, 夕阳, 晚霞',
  night: 'night, midnight, moonlight, moonlit, starry, dark, nighttime, 夜, 午夜, 月光, 星空',
} as const satisfies Lexicon<string>;

export const WEATHERS = {
  rain: 'rain, rainy, raining, drizzle, wet, downpour, 雨',
  storm: 'storm, stormy, thunder, thunderstorm, lightning, hurricane, tempest, 暴风, 雷, 风暴, 闪电',
  snow: 'snow, snowy, snowing, snowfall, snowflake, blizzard, 雪',
  fog: 'fog, foggy, mist, misty, haze, hazy, 雾',
} as const satisfies Lexicon<string>;

/** What is in it. */
export const SUBJECTS = {
  boat: 'boat, ship, sailboat, yacht, sailing, sail, fishing boat, 船, 帆, 舟',
  lighthouse: 'lighthouse, 灯塔',
  car: 'car, taxi, cab, drive, driving, truck, sports car, 汽车, 车, 出租车',
  rocket: 'rocket, spaceship, starship, spacecraft, 火箭, 飞船',
  planet: 'planet, saturn, jupiter, mars, earth, 行星, 星球, 土星, 木星, 地球',
  fish: 'fish, shoal, 鱼',
  jellyfish: 'jellyfish, medusa, 水母',
  volcano: 'volcano, volcanic, eruption, lava, magma, 火山, 岩浆',
  whale: 'whale, orca, dolphin, shark, 鲸, 海豚, 鲨',
  cat: 'cat, kitten, kitty, 猫',
  dog: 'dog, puppy, corgi, wolf, fox, 狗, 犬, 狼, 狐',
  horse: 'horse, deer, unicorn, pony, camel, 骏马, 白马, 黑马, 马儿, 骑马, 骆驼, 鹿',
  person:
    'man, woman, person, girl, boy, people, child, couple, samurai, dancer, hiker, astronaut, ' +
    'traveler, someone, 人, 女孩, 男孩, 女子, 男子, 孩子, 武士',
  birds: 'bird, seagull, eagle, crow, swallow, gull, crane, dragon, owl, 鸟, 鹰, 海鸥, 燕, 鹤',
  balloon: 'balloon, hot air balloon, airship, 气球',
  tree: 'tree, oak, willow, blossom, cherry, maple, palm, 树, 樱',
  house: 'house, cabin, cottage, home, village, castle, temple, 房, 屋, 村, 寺, 城堡',
  moon: 'moon, moonlight, moonlit, 月',
  sun: 'sun, sunset, sunrise, sunlight, sunny, 太阳, 阳光, 夕阳, 日出, 日落',
} as const satisfies Lexicon<string>;

export const COLOURS = {
  red: 'red, crimson, scarlet, ruby, 红',
  orange: 'orange, amber, copper, rust, 橙, 橘',
  gold: 'gold, golden, yellow, honey, 金, 黄色',
  green: 'green, emerald, olive, lime, 绿',
  teal: 'teal, turquoise, cyan, aqua, 青',
  blue: 'blue, azure, navy, indigo, cobalt, 蓝',
  purple: 'purple, violet, lavender, magenta, 紫',
  pink: 'pink, rose, pastel, 粉',
  grey: 'grey, gray, monochrome, black and white, noir, 灰, 黑白',
} as const satisfies Lexicon<string>;

export const CAMERAS = {
  in: 'zoom in, push in, dolly in, closer, zoom, approach, 推近, 推进, 靠近',
  out: 'zoom out, pull back, dolly out, reveal, away, 拉远',
  left: 'pan left, left, 向左',
  right: 'pan right, right, pan, panning, tracking, 向右, 平移, 跟拍',
  up: 'tilt up, rise, rising, crane, drone, aerial, fly, flying, 上升, 航拍, 飞',
  orbit: 'orbit, orbiting, rotate, rotating, spin, spinning, circle, circling, 环绕, 旋转',
  still: 'still, static, fixed camera, locked, tripod, 静止, 固定',
} as const satisfies Lexicon<string>;

/** What it looks like, whatever it shows. */
export const LOOKS = {
  noir: 'noir, black and white, monochrome, silent film, 黑白',
  vintage: 'vintage, retro, sepia, old film, nostalgic, 8mm, super 8, 复古, 怀旧, 胶片',
  vivid: 'vivid, vibrant, anime, cartoon, comic, pop art, saturated, 动漫, 卡通, 鲜艳',
  pastel: 'pastel, watercolor, watercolour, dreamy, soft, faded, 水彩, 梦幻, 柔和',
} as const satisfies Lexicon<string>;

/** How fast it moves. */
export const PACES = {
  slow: 'slow, slowly, calm, gentle, quiet, peaceful, serene, slow motion, dreamy, tranquil, 慢, 宁静, 平静, 缓',
  fast:
    'fast, quick, rapid, racing, rush, speed, timelapse, time lapse, hyperlapse, energetic, wild, ' +
    'chase, 快, 疾, 飞驰, 延时',
} as const satisfies Lexicon<string>;
